{{/* Who may talk to user pods, and to whom they may talk. The tenant's shared policy and each user's
own have the same rules, so that either isolates alone. */}}

{{- define "bp-openclaw.anyUser" -}}
matchExpressions:
  - {key: {{ include "bp-openclaw.userLabel" . }}, operator: Exists}
{{- end -}}

{{- define "bp-openclaw.userNetworkRules" -}}
policyTypes: [Ingress, Egress]
ingress:
  # The spawner of this release, at the auth sidecar: never another user's pod.
  - from:
      - namespaceSelector:
          matchLabels: {kubernetes.io/metadata.name: {{ .Release.Namespace }}}
        podSelector:
          matchLabels:
            {{- include "bp-openclaw.selectorLabels" (list . "spawner") | nindent 12 }}
    ports:
      - {port: 4180, protocol: TCP}
      - {port: 4181, protocol: TCP}
  {{- with .Values.monitoring.podMonitor.users }}
  {{- if .enabled }}
  # Prometheus, at the metrics alone.
  - from:
      {{- toYaml .from | nindent 6 }}
    ports:
      - {port: 4181, protocol: TCP}
  {{- end }}
  {{- end }}
egress:
  {{- include "bp-openclaw.egressDNS" . | nindent 2 }}
  # The runtime's model.
  {{- include "bp-openclaw.egressNewAPI" . | nindent 2 }}
  # The auth sidecar's keys.
  {{- include "bp-openclaw.egressKeycloak" . | nindent 2 }}
{{- end -}}

{{/* network-policy.yaml, made for each user before the pod; empty where policies are off. */}}
{{- define "bp-openclaw.userNetworkPolicy" -}}
{{- if .Values.networkPolicy.enabled -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: openclaw-${USER_UUID}
  labels:
    {{ include "bp-openclaw.userLabel" . }}: ${USER_UUID}
    app.kubernetes.io/part-of: bp-openclaw
    catalyst.openova.io/blueprint: bp-openclaw
spec:
  podSelector:
    matchLabels:
      {{ include "bp-openclaw.userLabel" . }}: ${USER_UUID}
  {{- include "bp-openclaw.userNetworkRules" . | nindent 2 }}
{{- end -}}
{{- end -}}
