# For python3: objects, dictionaries, strings, JSON, regular expressions, sorting.
import json
import re


class Node:
    def __init__(self, key, value):
        self.key, self.value, self.children = key, value, []


def tree(depth, key):
    node = Node(f"n{key}", {"depth": depth, "keys": [key, key * 2]})
    if depth:
        node.children = [tree(depth - 1, key * 3 + i) for i in range(3)]
    return node


def count(node):
    return 1 + sum(count(child) for child in node.children)


total = 0
for turn in range(5):
    root = tree(8, turn)
    total += count(root)
    table = {}
    for number in range(60000):
        table.setdefault(f"key-{number * 7919 % 10007}", []).append(str(number))
    text = json.dumps(table)
    total += len(json.loads(text))
    total += len(re.findall(r"key-(\d+)", text))
    total += len(sorted((len(v), k) for k, v in table.items()))
    total += len(" ".join(word.upper() for word in text.split()))
print(total)
