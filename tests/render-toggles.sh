#!/usr/bin/env bash
# What every render of the chart must hold, whatever is toggled. Usage: tests/render-toggles.sh [HELM]
# HELM is the helm to render with; by default the one in PATH.
set -uo pipefail
cd "$(dirname "$0")/.."
helm=${1:-helm}
real=(--values chart/tests/values/real.yaml)
passed=0 failed=0

render() { "$helm" template bp-openclaw chart --namespace bp-openclaw "$@"; }
kinds() { render "$@" | sed -n 's/^kind: //p' | sort; }

# check WHAT COMMAND...: the command must succeed.
check() {
  local what=$1 output; shift
  if output=$("$@" 2>&1); then passed=$((passed + 1)); echo "ok    $what"
  else failed=$((failed + 1)); echo "FAIL  $what"; sed 's/^/      /' <<<"$output" | tail -n 20; fi
}

has_kinds() {
  local kind rendered; rendered=$(kinds) || return 1
  for kind in Deployment Service Role RoleBinding ConfigMap NetworkPolicy ServiceAccount; do
    grep -qx "$kind" <<<"$rendered" || { echo "no $kind"; return 1; }
  done
}
names_all_placeholders() {
  local message name
  message=$(render --set assertNoPlaceholders=true 2>&1) && { echo "it rendered"; return 1; }
  for name in ingress.host keycloak.clientSecretName keycloak.realmURL newapi.baseURL tenant.namespace; do
    grep -q "$name is still a placeholder" <<<"$message" || { echo "not named: $name"; return 1; }
  done
}
create_stands_alone() {
  render "${real[@]}" "$@" | awk '
    /^ *- apiGroups:/ {check(); names = 0; create = 0}
    /resourceNames:/ {names = 1}
    /verbs:/ && /create/ {create = 1}
    function check() {if (names && create) bad = 1}
    END {check(); if (bad) print "a rule has create and resourceNames: RBAC never grants it"; exit bad}'
}
lacks_kinds() {
  local rendered kind wanted=$1; shift
  rendered=$(kinds "${real[@]}" "$@") || return 1
  for kind in $wanted; do
    ! grep -qx "$kind" <<<"$rendered" || { echo "there is a $kind"; return 1; }
  done
}
has_both_variables() {
  local template; template=$(render "${real[@]}" --show-only templates/spawner/templates-configmap.yaml) || return 1
  grep -q 'name: per-user-pod-template' <<<"$template" && grep -qF '${USER_UUID}' <<<"$template" &&
    grep -qF '${SECRET_NAME}' <<<"$template"
}
ingress_has_issuer() {
  render "${real[@]}" --set ingress.enabled=true,ingress.tls.issuer=letsencrypt --show-only templates/front/ingress.yaml |
    grep -q '^    cert-manager.io/cluster-issuer: letsencrypt$'
}
renders_equal() { cmp <(render "${real[@]}" "$@") <(render "${real[@]}" "$@"); }
lacks_text() {
  local text=$1; shift
  ! render "${real[@]}" "$@" | grep -n "$text"
}
refuses() {
  local message=$1 said; shift
  said=$(render "${real[@]}" "$@" 2>&1) && { echo "it rendered"; return 1; }
  grep -q "$message" <<<"$said" || { echo "it said: $said"; return 1; }
}

check "the defaults render, with every kind that a release needs" has_kinds
check "assertNoPlaceholders names all placeholders that are left" names_all_placeholders
check "assertNoPlaceholders is content with real values" render "${real[@]}"
check "no Role ties create to names" create_stands_alone
check "no Role ties create to names where the token is shared" create_stands_alone --set gateway.scope=shared,gateway.existingSecret=x
check "no Role ties create to names where the token is made for all" create_stands_alone --set gateway.scope=shared
check "no render makes a token, so none can change one" lacks_kinds Secret --set gateway.scope=shared
check "monitoring is off by default" lacks_kinds "ServiceMonitor PodMonitor PrometheusRule"
check "networkPolicy.enabled=false leaves no NetworkPolicy" lacks_kinds NetworkPolicy --set networkPolicy.enabled=false
check "the template of a user's pod has both variables" has_both_variables
check "the Ingress asks cert-manager for its certificate" ingress_has_issuer
check "two renders are equal, with every way in" renders_equal --set ingress.enabled=true,httpRoute.enabled=true,httpRoute.parentRefs[0].name=public
check "two renders are equal, with a token made for all" renders_equal --set gateway.scope=shared
for mode in self certManager; do
  check "two renders are equal, TLS $mode" renders_equal --set "webhook.tls.mode=$mode"
  check "no caBundle key is rendered, TLS $mode" lacks_text caBundle: --set "webhook.tls.mode=$mode"
done
check "a key that does not exist is refused by name" refuses "sidecarr" --set sidecarr.x=1
check "a wrong type is refused" refuses "replicas" --set-string webhook.replicas=two
check "a wrong choice is refused" refuses "mode" --set webhook.tls.mode=magic

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
