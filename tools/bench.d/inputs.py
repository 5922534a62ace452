"""The input of the real programs: made here, the same in every run, kept in the build folder.

Each maker writes one file (or, for git, one repository). All are seeded; sizes are such that the
program that reads it takes one to three seconds.
"""

import hashlib
import json
import os
import random
import shutil
import subprocess

WORDS = None


def words():
    """Some thousand words that look like words; made once."""
    global WORDS
    if WORDS is None:
        source = random.Random(1)
        parts = "ba ce di fo gu ka le mi no pu ra se ti vo wu xe ya zi".split()
        WORDS = ["".join(source.choices(parts, k=source.randint(1, 5))) for _ in range(4000)]
    return WORDS


def sentence(source, count):
    return " ".join(source.choices(words(), k=count))


def make_text(path):
    """11 MB of lines, for xz and perl."""
    source = random.Random(2)
    with open(path, "w") as out:
        for number in range(90000):
            out.write(f"{number} {source.random():.6f} {sentence(source, 16)}\n")


def make_json(path):
    """Records with nested parts, for jq."""
    source = random.Random(3)
    records = [
        {
            "id": number,
            "name": sentence(source, 2),
            "tags": source.choices(words(), k=source.randint(1, 6)),
            "place": {"x": round(source.random(), 4), "y": round(source.random(), 4)},
            "parts": [{"key": source.choice(words()), "count": source.randint(1, 99)} for _ in range(3)],
        }
        for number in range(13000)
    ]
    with open(path, "w") as out:
        json.dump(records, out)


def make_sql(path):
    """Rows, indexes, joins, groups, deletes, text functions: for sqlite3, in memory."""
    with open(path, "w") as out:
        out.write("""
PRAGMA temp_store=MEMORY;
CREATE TABLE item(id INTEGER PRIMARY KEY, shop INTEGER, name TEXT, price REAL);
CREATE TABLE shop(id INTEGER PRIMARY KEY, city TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<165000)
  INSERT INTO item SELECT i, i*7919%501, printf('item-%x-%d', i*2654435761%1000003, i), i%997*0.25 FROM n;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i<500)
  INSERT INTO shop SELECT i, 'city-'||(i%37) FROM n;
CREATE INDEX item_shop ON item(shop, price);
CREATE INDEX item_name ON item(name);
SELECT city, count(*), round(sum(price), 2), max(name) FROM item JOIN shop ON shop.id=item.shop GROUP BY city;
SELECT count(DISTINCT substr(name, 6, 3)||upper(substr(name, 1, 2))) FROM item;
UPDATE item SET name=replace(name, 'item', 'thing') WHERE id%5=0;
DELETE FROM item WHERE id%7=0;
SELECT length(group_concat(name, ',')) FROM (SELECT name FROM item ORDER BY price DESC, name LIMIT 40000);
SELECT a.shop, count(*) FROM item a JOIN item b ON b.id=a.id+1 AND b.price>a.price
  GROUP BY a.shop HAVING count(*)>150 ORDER BY 2 DESC, 1 LIMIT 9;
""")
        source = random.Random(4)
        for number in range(9000):
            out.write(f"INSERT INTO item VALUES({1000000 + number}, {number % 501}, "
                      f"'{sentence(source, 3)}', {number % 77}.5);\n")
        out.write("SELECT count(*), total(price) FROM item;\n")


def make_c(path):
    """Functions with loops, switches and structures, for gcc -O2."""
    source = random.Random(5)
    with open(path, "w") as out:
        out.write("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"
                  "struct node { struct node *next; int key, values[8]; };\n")
        count = 190
        for number in range(count):
            a, b, c = (source.randint(2, 99) for _ in range(3))
            cases = "".join(f"        case {case}: x = x * {case + a} + {'call' + str(number - 1) + '(list, x & 3)' if case == 3 and number else 'x / ' + str(b)}; break;\n"
                            for case in range(source.randint(4, 12)))
            out.write(f"""
static int call{number}(struct node *list, int x)
{{
    int total = {a};
    for (struct node *node = list; node != NULL; node = node->next) {{
        for (int i = 0; i < 8; i++)
            total += node->values[i] * ({b} + i) ^ (node->key >> (i & {c % 7}));
        switch ((x + node->key) % {a}) {{
{cases}        default: total -= x; break;
        }}
        if (total > {c * 1000} && node->key != x) {{
            node->values[x & 7] = total;
            memset(node->values, x & 1, sizeof(int) * (size_t)(x & 3));
        }}
    }}
    char text[64];
    snprintf(text, sizeof(text), "%d-%d", total, x);
    return total + (int)strlen(text);
}}
""")
        out.write(f"int main(void) {{ return call{count - 1}(calloc(1, sizeof(struct node)), 3); }}\n")


def make_cc(path):
    """Templates over the standard containers, for g++."""
    with open(path, "w") as out:
        out.write("#include <algorithm>\n#include <functional>\n#include <map>\n#include <memory>\n"
                  "#include <string>\n#include <unordered_map>\n#include <vector>\n"
                  "template <int N> struct key { int value[N + 1]; "
                  "bool operator<(const key &o) const { return value[N] < o.value[N]; } };\n")
        for number in range(2):
            out.write(f"""
std::vector<std::string> work{number}(const std::vector<std::string> &in)
{{
    std::map<key<{number}>, std::vector<std::string>> groups;
    std::unordered_map<std::string, std::unique_ptr<key<{number}>>> seen;
    for (const auto &word : in) {{
        key<{number}> k{{}};
        k.value[{number}] = static_cast<int>(word.size()) % {number + 3};
        groups[k].push_back(word);
        seen.emplace(word, std::make_unique<key<{number}>>(k));
    }}
    std::vector<std::string> out;
    std::function<bool(const std::string &)> keep = [&](const std::string &s) {{ return seen.count(s) > 0; }};
    for (auto &group : groups) {{
        std::sort(group.second.begin(), group.second.end(), std::greater<std::string>());
        std::copy_if(group.second.begin(), group.second.end(), std::back_inserter(out), keep);
    }}
    return out;
}}
""")


def make_git(path):
    """A bare repository of 700 commits in one pack, through git fast-import."""
    source = random.Random(6)
    files = {f"dir{number % 12}/file{number}.txt": [sentence(source, 9) for _ in range(60)]
             for number in range(240)}
    stream = []
    for commit in range(700):
        message = sentence(source, 12)
        stream.append(f"commit refs/heads/main\ncommitter A <a@example.org> {1700000000 + commit * 60} +0000\n"
                      f"data {len(message)}\n{message}\n")
        chosen = list(files) if commit == 0 else source.sample(sorted(files), 5)
        for name in chosen:
            lines = files[name]
            if commit:
                lines[source.randrange(len(lines))] = sentence(source, 9)
                lines.insert(source.randrange(len(lines)), sentence(source, 7))
            text = "\n".join(lines) + "\n"
            stream.append(f"M 100644 inline {name}\ndata {len(text)}\n{text}\n")
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", path], check=True)
    subprocess.run(["git", "-C", path, "fast-import", "--quiet"], input="".join(stream).encode(), check=True)


MAKERS = {"text": make_text, "data.json": make_json, "work.sql": make_sql,
          "work.c": make_c, "work.cc": make_cc, "repo.git": make_git}


def get(folder, name):
    """The path of an input in `folder`, made now if it isn't there or this file has changed."""
    with open(__file__, "rb") as own:
        version = hashlib.sha256(own.read()).hexdigest()[:12]
    path = os.path.join(folder, "inputs", version, name)
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        unfinished = path + ".unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        MAKERS[name](unfinished)
        os.rename(unfinished, path)
    return path
