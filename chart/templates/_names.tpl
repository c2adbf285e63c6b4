{{/* Names. Everything derives from the release, so that releases live side by side. */}}

{{- define "bp-openclaw.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 53 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 53 characters, so that `<fullname>-spawner` is still a Service name; dots are legal in a
release's name but not in a Service's. */}}
{{- define "bp-openclaw.fullname" -}}
{{- $name := .Release.Name -}}
{{- if not (contains (include "bp-openclaw.name" .) $name) -}}
{{- $name = printf "%s-%s" $name (include "bp-openclaw.name" .) -}}
{{- end -}}
{{- default $name .Values.fullnameOverride | replace "." "-" | trunc 53 | trimSuffix "-" -}}
{{- end -}}

{{- define "bp-openclaw.webhook" -}}{{ include "bp-openclaw.fullname" . }}-webhook{{- end -}}
{{- define "bp-openclaw.spawner" -}}{{ include "bp-openclaw.fullname" . }}-spawner{{- end -}}
{{/* Made by the spawner, so that no rendering and no upgrade changes it. */}}
{{- define "bp-openclaw.cookieKeys" -}}{{ include "bp-openclaw.fullname" . }}-cookie-keys{{- end -}}
{{/* The Secret with the token that all users share; empty where each has one of their own. */}}
{{- define "bp-openclaw.sharedGateway" -}}
{{- if eq .Values.gateway.scope "shared" -}}
{{ default (printf "%s-gateway" (include "bp-openclaw.fullname" .)) .Values.gateway.existingSecret }}
{{- end -}}
{{- end -}}
{{/* Whether the spawner makes it, "true" or empty. It is no object of the chart: `helm template` and GitOps
cannot look whether there is one, and would make a new token at every render. */}}
{{- define "bp-openclaw.makesSharedGateway" -}}
{{- if and (eq .Values.gateway.scope "shared") .Values.gateway.generate (not .Values.gateway.existingSecret) }}true{{ end -}}
{{- end -}}
{{/* The CA of Keycloak: one ConfigMap beside the spawner, one beside users' pods. */}}
{{- define "bp-openclaw.ca" -}}{{ include "bp-openclaw.fullname" . }}-ca{{- end -}}
{{- define "bp-openclaw.seed" -}}{{ include "bp-openclaw.fullname" . }}-seed{{- end -}}
{{- define "bp-openclaw.tlsSecret" -}}
{{- if eq .Values.webhook.tls.mode "provided" -}}
{{ .Values.webhook.tls.provided.secretName }}
{{- else -}}
{{ include "bp-openclaw.webhook" . }}-tls
{{- end -}}
{{- end -}}

{{/* Name of a cluster-scoped object: <fullname>-<what>.<namespace>. Two releases may have one name in
two namespaces; a namespace has no dot, so the last dot keeps them apart.
Takes (list root what). */}}
{{- define "bp-openclaw.clusterName" -}}
{{- $root := index . 0 -}}
{{- printf "%s-%s.%s" (include "bp-openclaw.fullname" $root) (index . 1) $root.Release.Namespace -}}
{{- end -}}

{{/* Full reference of an image. Takes (list root component). */}}
{{- define "bp-openclaw.image" -}}
{{- $root := index . 0 -}}
{{- $image := index $root.Values.images (index . 1) -}}
{{- printf "%s:%s" $image.repository (default $root.Chart.AppVersion $image.tag) -}}
{{- end -}}
