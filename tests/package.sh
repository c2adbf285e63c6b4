#!/usr/bin/env bash
# The packaged chart goes to an OCI registry and comes back the same: what `make package` makes, what
# `helm push` stores, and what `helm install oci://...` reads. Usage: tests/package.sh HELM CRANE
# CRANE serves the registry, on loopback and in memory.
set -euo pipefail
cd "$(dirname "$0")/.."
helm=$1 crane=$2
. tests/registry.sh
plainly() { "$helm" "$@" --plain-http 2>"$folder/said" || { cat "$folder/said"; exit 1; }; }

version=$(sed -n 's/^version: //p' chart/Chart.yaml)
made=$folder/made/bp-openclaw-$version.tgz chart=oci://127.0.0.1:$port/charts/bp-openclaw
make package PACKAGES="$folder/made" >/dev/null
plainly push "$made" "$(dirname "$chart")"
mkdir "$folder/pulled"
plainly pull "$chart" --version "$version" --destination "$folder/pulled" >/dev/null
cmp "$made" "$folder/pulled/bp-openclaw-$version.tgz"
"$helm" template a chart -n a >"$folder/here.yaml"
plainly template a "$chart" -n a --version "$version" >"$folder/there.yaml"
cmp "$folder/here.yaml" "$folder/there.yaml"
# What is only for those who develop it stays at home.
if tar -tzf "$made" | grep '/tests/'; then echo "FAIL  the tests are in the package"; exit 1; fi
echo "ok    the packaged chart is in a registry what it is here"
echo "1 passed, 0 failed"
