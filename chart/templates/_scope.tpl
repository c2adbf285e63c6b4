{{/* The namespaces in which labeled pods are injected and checked; the webhook configuration and the
policies must agree on it, so it stands here once. */}}
{{- define "bp-openclaw.scope" -}}
namespaceSelector:
  matchExpressions:
    {{- if eq .Values.webhook.scope "tenant" }}
    - key: kubernetes.io/metadata.name
      operator: In
      values: [{{ .Values.tenant.namespace }}]
    {{- end }}
    # Never the release's own: a webhook that guards its own pods cannot come back after an outage.
    - key: kubernetes.io/metadata.name
      operator: NotIn
      values:
        {{- include "bp-openclaw.excludedNamespaces" . | nindent 8 }}
{{- end -}}

{{- define "bp-openclaw.excludedNamespaces" -}}
{{- toYaml (concat (list "kube-system" .Release.Namespace) .Values.webhook.excludedNamespaces | uniq) -}}
{{- end -}}

{{/* Only pods that carry the user label, before or after the change, so that removing it is seen. */}}
{{- define "bp-openclaw.labeled" -}}
objectSelector:
  matchExpressions:
    - {key: {{ include "bp-openclaw.userLabel" . }}, operator: Exists}
{{- end -}}
