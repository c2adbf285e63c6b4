{{/* `helm test`: the spawner's own image tries the installation from within. */}}

{{- define "bp-openclaw.check" -}}{{ include "bp-openclaw.fullname" . }}-check{{- end -}}

{{/* Helm runs it at `helm test` alone, and takes it away when it has succeeded. Takes a weight: what is
needed comes before what needs it. */}}
{{- define "bp-openclaw.checkHook" -}}
helm.sh/hook: test
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

{{/* A pod that runs `spawner check`. Takes (list root name serviceAccount arguments). */}}
{{- define "bp-openclaw.checkPod" -}}
{{- $root := index . 0 -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ include "bp-openclaw.check" $root }}-{{ index . 1 }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "bp-openclaw.labels" (list $root "check") | nindent 4 }}
  annotations:
    {{- include "bp-openclaw.checkHook" 1 | nindent 4 }}
    # Why, without being asked; what succeeded is shown by helm test --logs.
    helm.sh/hook-output-log-policy: hook-failed
spec:
  restartPolicy: Never
  serviceAccountName: {{ index . 2 }}
  automountServiceAccountToken: true
  enableServiceLinks: false
  securityContext:
    {{- include "bp-openclaw.podSecurityContext" $root | nindent 4 }}
  containers:
    - name: check
      image: {{ include "bp-openclaw.image" (list $root "spawner") }}
      imagePullPolicy: {{ $root.Values.imagePullPolicy }}
      args:
        - check
        - --namespace={{ $root.Values.tenant.namespace }}
        - --template=/etc/openclaw/pod-template.yaml
        {{- if $root.Values.keycloak.caBundle }}
        - --ca-file=/etc/openclaw-ca/ca.crt
        {{- end }}
        {{- range index . 3 }}
        - {{ . | quote }}
        {{- end }}
      env:
        {{- include "bp-openclaw.logEnv" $root | nindent 8 }}
      resources:
        {{- $resources := dict "requests" (dict "cpu" "10m" "memory" "16Mi") "limits" (dict "cpu" "500m" "memory" "64Mi") }}
        {{- include "bp-openclaw.resources" (list $root $resources) | nindent 8 }}
      securityContext:
        {{- include "bp-openclaw.containerSecurityContext" $root | nindent 8 }}
      volumeMounts:
        - {name: templates, mountPath: /etc/openclaw, readOnly: true}
        {{- if $root.Values.keycloak.caBundle }}
        - {name: ca, mountPath: /etc/openclaw-ca, readOnly: true}
        {{- end }}
  volumes:
    - name: templates
      configMap: {name: {{ $root.Values.spawner.templateConfigMap }}}
    {{- if $root.Values.keycloak.caBundle }}
    - name: ca
      configMap: {name: {{ include "bp-openclaw.ca" $root }}}
    {{- end }}
  {{- include "bp-openclaw.placement" (list $root "spawner") | nindent 2 }}
{{- end -}}
