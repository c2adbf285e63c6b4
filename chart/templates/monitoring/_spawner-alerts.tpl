{{- define "bp-openclaw.spawnerAlerts" -}}
{{- $job := include "bp-openclaw.job" (list . "spawner") -}}
{{ include "bp-openclaw.alert" (list "OpenClawSpawnerDown" "5m" "critical"
  (printf "absent(up{%s} == 1)" $job)
  "No spawner pod answers"
  "Nobody reaches a workspace.") }}
{{ include "bp-openclaw.alert" (list "OpenClawNoReaper" "10m" "warning"
  (printf "sum by (job) (openclaw_spawner_leader{%s}) == 0" $job)
  "No spawner holds the Lease openclaw-spawner-reaper"
  "Idle workspaces are not put to sleep, and NetworkPolicies of pods that are gone stay.") }}
{{ include "bp-openclaw.alert" (list "OpenClawWatchInterrupted" "5m" "warning"
  (printf "sum by (job, resource) (increase(openclaw_spawner_watch_errors_total{%s}[10m])) > 6" $job)
  "The spawner's watch of {{ $labels.resource }} does not last"
  "What it knows of workspaces may be old: new ones may not be found ready, and ended ones seem to run.") }}
{{ include "bp-openclaw.alert" (list "OpenClawWatchSilent" "5m" "warning"
  (printf "max by (job, pod) (openclaw_spawner_watch_last_event_age_seconds{%s}) > 300 and max by (job, pod) (openclaw_spawner_held_requests{%s}) > 0" $job $job)
  "{{ $labels.pod }} has heard of no pod for {{ $value | humanizeDuration }}, while somebody waits for one"
  "Its watch may be dead; restart it. Or no pod changes because none can be scheduled.") }}
{{ include "bp-openclaw.alert" (list "OpenClawStartsRefused" "" "warning"
  (printf "sum by (job, outcome) (increase(openclaw_spawner_starts_total{%s,outcome!~\"created|adopted|stopping|too_many_.*|image_not_allowed|other_image\"}[15m])) > 2" $job)
  "Workspaces cannot be created: {{ $labels.outcome }}"
  "{{ $value | humanize }} starts in 15 minutes. The audit log of the spawner has the API server's words.") }}
{{ include "bp-openclaw.alert" (list "OpenClawStartsFail" "" "warning"
  (printf "sum by (job, outcome) (increase(openclaw_spawner_start_seconds_count{%s,outcome!~\"ready|called_off\"}[15m])) > 2" $job)
  "Workspaces do not get ready: {{ $labels.outcome }}"
  "{{ $value | humanize }} starts in 15 minutes. The audit log of the spawner says more (action started).") }}
{{ include "bp-openclaw.alert" (list "OpenClawWorkspacesFull" "15m" "warning"
  (printf "sum by (job, outcome) (increase(openclaw_spawner_starts_total{%s,outcome=~\"too_many_.*\"}[15m])) > 0" $job)
  "Users wait for a place: {{ $labels.outcome }}"
  "spawner.limits holds them back.") }}
{{ include "bp-openclaw.alert" (list "OpenClawTooManyRequests" "10m" "warning"
  (printf "sum by (job) (rate(openclaw_http_refused_total{%s,code=\"too_many_requests\"}[5m])) + sum by (job) (rate(openclaw_spawner_proxy_requests_total{%s,outcome=\"too_many_waiting\"}[5m])) > 0" $job $job)
  "The spawner turns requests away because it is full"
  "More replicas, or higher limits.") }}
{{ include "bp-openclaw.alert" (list "OpenClawApiServerRefuses" "" "warning"
  (printf "sum by (job, verb, resource, code) (increase(openclaw_spawner_kube_api_requests_total{%s,code=~\"401|403|429\"}[15m])) > 2" $job)
  "The API server answers the spawner {{ $labels.code }}"
  "To {{ $labels.verb }} {{ $labels.resource }}. 401, 403: its Role or a policy; 429: its share of the API server (apf.enabled).") }}
{{ include "bp-openclaw.alert" (list "OpenClawKeysUnreachable" "" "warning"
  (printf "max by (job) (openclaw_jwks_age_seconds{%s}) > 3600" $job)
  "The issuer's keys are {{ $value | humanizeDuration }} old"
  "They cannot be fetched from Keycloak. After a day without it nobody is let in.") }}
{{- end -}}

{{- define "bp-openclaw.userAlerts" -}}
{{- $job := include "bp-openclaw.job" (list . "users") -}}
{{ include "bp-openclaw.alert" (list "OpenClawForeignToken" "" "warning"
  (printf "sum by (job) (increase(openclaw_sidecar_auth_result_total{%s,reason=\"other_user\"}[15m])) > 0" $job)
  "Tokens were shown at other users' workspaces, and refused"
  "The spawner never does that. The log of the auth sidecars says when, and from where.") }}
{{ include "bp-openclaw.alert" (list "OpenClawSidecarKeysUnreachable" "" "warning"
  (printf "count by (job) (openclaw_jwks_age_seconds{%s} > 3600) > 0" $job)
  "{{ $value }} auth sidecars have no new keys of the issuer for an hour"
  "They cannot reach Keycloak. After a day without it they let nobody in.") }}
{{- end -}}
