#!/usr/bin/env bash
# kind-config.yaml is one that kind's own parser takes. Usage: tests/kind-config.sh KIND
# kind reads its configuration before it looks for Docker, and finds none in an empty PATH: no cluster
# is made, also where Docker runs.
set -euo pipefail
cd "$(dirname "$0")/.."
kind=$1 passed=0 failed=0

# said WHAT WORDS < CONFIG: what kind says to a configuration.
said() {
  local output; output=$(env -i PATH= "$kind" create cluster --config - 2>&1) && { echo "FAIL  $1: it made a cluster"; exit 1; }
  if grep -q "$2" <<<"$output"; then passed=$((passed + 1)); echo "ok    $1"
  else failed=$((failed + 1)); echo "FAIL  $1: $output"; fi
}

said "kind takes the configuration, and looks for Docker" '"docker": executable file not found' <kind-config.yaml
said "kind refuses a key that it does not know" 'field extraPortMapping not found' < <(sed 's/extraPortMappings/extraPortMapping/' kind-config.yaml)

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
