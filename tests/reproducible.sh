#!/usr/bin/env bash
# The same source gives the same bytes: the programs built in two folders, and the images made of each.
# Usage: tests/reproducible.sh CLUSTER_DEV CRANE ONE OTHER
# ONE and OTHER hold the programs of two builds; CRANE serves a registry, on loopback and in memory.
set -euo pipefail
cd "$(dirname "$0")/.."
cluster_dev=$1 crane=$2 one=$3 other=$4
. tests/registry.sh

failed=0
tell() { if [ "$1" = "$2" ]; then echo "ok    $3: $1"; else echo "FAIL  $3: $1 and $2"; failed=$((failed + 1)); fi; }
hash_of() { sha256sum "$1" | cut -d ' ' -f 1; }
for program in webhook sidecar spawner runtime; do
  tell "$(hash_of "$one/$program")" "$(hash_of "$other/$program")" "program $program"
done
# A state of its own: a cluster that runs is left alone.
push() { "$cluster_dev" --state "$folder/state" push --to "127.0.0.1:$port/$1" --tag a --binaries "$2" 2>/dev/null; }
push one "$one" >"$folder/one"
push other "$other" >"$folder/other"
while read -r -u 4 first && read -r -u 5 second; do
  tell "${first#*@}" "${second#*@}" "image $(basename "${first%%:a@*}")"
done 4<"$folder/one" 5<"$folder/other"
echo "$((8 - failed)) passed, $failed failed"
[ "$failed" = 0 ]
