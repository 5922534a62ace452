# For jq: grouping, mapping, strings, paths.
[ .[] | {id, name: (.name | ascii_upcase), tag: .tags[0], n: ([.parts[].count] | add),
         r: ((.place.x * .place.x + .place.y * .place.y) | floor)} ]
| group_by(.tag)
| map({tag: .[0].tag, n: (map(.n) | add), names: (map(.name) | unique | join(",") | length)})
| sort_by(.n, .tag)
| map(select(.n > 100))
| (length, (map(.names) | add), .[0:3], .[-3:])
