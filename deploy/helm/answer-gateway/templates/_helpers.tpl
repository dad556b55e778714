{{- define "answer-gateway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "answer-gateway.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (include "answer-gateway.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "answer-gateway.name" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "answer-gateway.selector" -}}
app.kubernetes.io/name: {{ include "answer-gateway.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "answer-gateway.labels" -}}
{{ include "answer-gateway.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "answer-gateway.image" -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}

{{- define "answer-gateway.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "answer-gateway.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Seconds of a duration such as 40s. */}}
{{- define "answer-gateway.seconds" -}}
{{- . | trimSuffix "s" | int -}}
{{- end -}}

{{/* What the gateway needs to end, what a preStop hook sleeps before, and 5 s. */}}
{{- define "answer-gateway.gracePeriod" -}}
{{- $sleep := dig "preStop" "sleep" "seconds" 0 .Values.lifecycle | int -}}
{{- add (include "answer-gateway.seconds" .Values.drain.gracePeriod | int) $sleep 5 -}}
{{- end -}}

{{- define "answer-gateway.testSelector" -}}
app.kubernetes.io/name: {{ include "answer-gateway.name" . }}-test
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* The settings file: what the user says, with the drain's settings from one place. */}}
{{- define "answer-gateway.config" -}}
{{- $drain := dict "accept_for" .Values.drain.acceptFor "budget" .Values.drain.budget "grace_period" .Values.drain.gracePeriod -}}
{{- mergeOverwrite (deepCopy .Values.config) (dict "drain" $drain) | toYaml -}}
{{- end -}}

{{- define "answer-gateway.mode" -}}
{{- dig "delivery" "mode" "broadcast" .Values.config -}}
{{- end -}}

{{/* What cannot work is said here, not at night. */}}
{{- define "answer-gateway.validate" -}}
{{- $several := or .Values.autoscaling.enabled (gt (int .Values.replicaCount) 1) -}}
{{- $named := hasKey .Values.secretEnv "GATEWAY__SESSION__TOKEN_KEY" -}}
{{- range .Values.env }}{{ if hasPrefix "GATEWAY__SESSION__TOKEN_KEY" .name }}{{ $named = true }}{{ end }}{{ end -}}
{{- if and $several (not $named) (not .Values.envFrom) (not .Values.allowNoTokenKey) -}}
{{- fail "several replicas need one token key: set existingSecret and secretEnv.GATEWAY__SESSION__TOKEN_KEY (32 random characters or more), or allowNoTokenKey to go without" -}}
{{- end -}}
{{- if and $several (eq (include "answer-gateway.mode" .) "group") -}}
{{- fail "config.delivery.mode=group is for one replica: a second one would take partitions from the first. Set replicaCount=1 and no autoscaling, or leave the mode at broadcast" -}}
{{- end -}}
{{- if and .Values.secretEnv (not .Values.existingSecret) -}}
{{- fail "secretEnv names keys of existingSecret: set existingSecret" -}}
{{- end -}}
{{- if not (dig "kafka" "bootstrap_servers" "" .Values.config) -}}
{{- fail "set config.kafka.bootstrap_servers to your brokers, host:port separated by commas" -}}
{{- end -}}
{{- if not (dig "registry" "url" "" .Values.config) -}}
{{- fail "set config.registry.url to your schema registry" -}}
{{- end -}}
{{- $secrets := dict "kafka" (list "api_key" "api_secret" "ssl_key_password" "oauth_client_secret") "registry" (list "api_key" "api_secret" "bearer_token") "session" (list "token_key" "previous_token_key") "admin" (list "token") -}}
{{- range $section, $names := $secrets }}{{ range $name := $names -}}
{{- if dig $section $name "" $.Values.config -}}
{{- $variable := printf "GATEWAY__%s__%s" (upper $section) (upper $name) -}}
{{- fail (printf "config.%s.%s would be readable by everybody: use existingSecret and secretEnv.%s" $section $name $variable) -}}
{{- end -}}
{{- end }}{{ end -}}
{{- $accept := include "answer-gateway.seconds" .Values.drain.acceptFor | int -}}
{{- $budget := include "answer-gateway.seconds" .Values.drain.budget | int -}}
{{- $grace := include "answer-gateway.seconds" .Values.drain.gracePeriod | int -}}
{{- if ge (add $accept $budget) $grace -}}
{{- fail (printf "drain.gracePeriod (%ds) has to be above drain.acceptFor and drain.budget together (%ds)" $grace (add $accept $budget)) -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) -}}
{{- fail "ingress.hosts is empty" -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.parentRefs is empty: name the Gateway" -}}
{{- end -}}
{{- end -}}

{{- define "answer-gateway.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* What the gateway and its check have in common: root, name, command. */}}
{{- define "answer-gateway.container" -}}
{{- $values := .root.Values -}}
name: {{ .name }}
image: {{ include "answer-gateway.image" .root }}
imagePullPolicy: {{ $values.image.pullPolicy }}
args: [{{ .command }}, --config, /etc/answer-gateway/config.yaml]
env: {{- include "answer-gateway.environment" .root | nindent 2 }}
{{- with $values.envFrom }}
envFrom: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext: {{- include "answer-gateway.containerSecurity" .root | nindent 2 }}
resources: {{- toYaml $values.resources | nindent 2 }}
volumeMounts:
  - {name: config, mountPath: /etc/answer-gateway, readOnly: true}
  {{- with $values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "answer-gateway.environment" -}}
- name: GATEWAY__ADMIN__ADDRESS
  value: 0.0.0.0
{{- if not (dig "admin" "allowed_hosts" "" .Values.config) }}
{{- $service := printf "%s-admin" (include "answer-gateway.fullname" .) }}
{{- $namespace := .Release.Namespace }}
- name: GATEWAY__ADMIN__ALLOWED_HOSTS
  value: {{ printf "%s,%s.%s,%s.%s.svc,%s.%s.svc.cluster.local" $service $service $namespace $service $namespace $service $namespace }}
{{- end }}
{{- range $name, $key := .Values.secretEnv }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef:
      name: {{ $.Values.existingSecret }}
      key: {{ $key }}
{{- end }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The error for a chart folder without its symbolic links to deploy/alerts and deploy/dashboards. */}}
{{- define "answer-gateway.noFiles" -}}
this copy of the chart lacks {{ . }}, a symbolic link in the repository: install a packaged chart (helm package), or from a checkout that keeps symbolic links
{{- end }}
