#!/usr/bin/env bash
# A CycloneDX document of each program: what is linked into it for TARGET.
# Usage: tests/sbom.sh CARGO_CYCLONEDX TARGET FOLDER
# The documents tell no time but the commit's, so that they are the same twice.
set -euo pipefail
cd "$(dirname "$0")/.."
cyclonedx=$1 target=$2 folder=$3
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
mkdir -p "$folder"
# It writes beside every manifest of the workspace.
trap 'find . -path ./target -prune -o -name "*.release.json" -exec rm {} +' EXIT
"$cyclonedx" cyclonedx --format json --spec-version 1.5 --target "$target" --no-build-deps --override-filename sbom.release
for program in webhook sidecar spawner runtime; do
  document=$folder/$program.cdx.json
  mv "$program/sbom.release.json" "$document"
  echo "$document: $(grep -c '"purl": "pkg:cargo/' "$document") components"
done
