# For git: history with patches, and all objects packed anew. The repository stays as it is.
set -e
git -C "$1" log --stat -p -M --format='%H %s' main | tail -c 300
git -C "$1" -c pack.threads=1 pack-objects --all --no-reuse-delta --window=6 --stdout -q </dev/null | wc -c
