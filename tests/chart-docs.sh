#!/usr/bin/env bash
# Writes chart/README.md from chart/README.md.gotmpl and the comments of chart/values.yaml, or with
# --check says whether it is as it would be written. Usage: tests/chart-docs.sh HELM_DOCS [--check]
#
# helm-docs takes a comment for a description only behind `# -- `. values.yaml is for people to read, so
# the marks are put into a copy of it.
set -euo pipefail
cd "$(dirname "$0")/.."
helm_docs=$1 copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp chart/Chart.yaml chart/README.md.gotmpl "$copy"

# A block of comments that stands right above a key describes it; a key with a value and no words of its
# own gets a dash, so that it is listed; a section's default is that of its keys. `<` would begin an HTML tag, and `--` another description.
awk '
  function flush(describes, i) {
    for (i = 1; i <= n; i++) {
      line = block[i]
      if (describes) {
        sub(/# *--/, "# \\--", line)
        gsub(/</, "\\&lt;", line); gsub(/\|/, "\\|", line)
        if (i == 1) sub(/# ?/, "# -- ", line)
      }
      print line
    }
    match($0, /^ */)
    if (describes && n && $2 == "") printf "%*s# @default -- -\n", RLENGTH, ""
    if (describes && !n && $2 != "") printf "%*s# -- -\n", RLENGTH, ""
    n = 0
  }
  /^ *#/ {block[++n] = $0; next}
  {flush($0 ~ /^ *[A-Za-z][A-Za-z0-9]*:/); print}
  END {flush(0)}
' chart/values.yaml >"$copy/values.yaml"

"$helm_docs" --chart-search-root "$copy" --sort-values-order file --log-level warning
if [ "${2:-}" = --check ]; then
  diff -u chart/README.md "$copy/README.md" || { echo "chart/README.md is stale: make chart-docs"; exit 1; }
else
  cp "$copy/README.md" chart/README.md
fi
