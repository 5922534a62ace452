-- For lua: tables, closures, strings built and taken apart.
local total = 0

local function tree(depth)
    if depth == 0 then return { value = 1 } end
    return { left = tree(depth - 1), right = tree(depth - 1), value = depth }
end

local function sum(node)
    if node == nil then return 0 end
    return node.value + sum(node.left) + sum(node.right)
end

for turn = 1, 12 do
    total = total + sum(tree(14))
    local words = {}
    for i = 1, 25000 do
        words[#words + 1] = string.format("w%d-%x", i * turn, i * 7919 % 10007)
    end
    table.sort(words)
    local text = table.concat(words, " ")
    for number in text:gmatch("w(%d+)%-") do
        total = total + #number
    end
    local adders = {}
    for i = 1, 20000 do
        adders[i] = function(x) return x + i end
    end
    total = total + adders[#adders](turn)
end
print(total)
