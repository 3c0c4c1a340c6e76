{{/* Labels of every object of the installation (spec 3.2). */}}
{{- define "cdi.labels" -}}
app.kubernetes.io/name: cdi
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: storage
{{- with .Values.partOf }}
app.kubernetes.io/part-of: {{ . | quote }}
{{- end }}
cdi.kubevirt.io: ""
{{- end }}

{{/* What tells the controller's pods from all others; part of the Deployment's selector, so it never changes. */}}
{{- define "cdi.controller.selector" -}}
app: containerized-data-importer
cdi.kubevirt.io: cdi-deployment
{{- end }}

{{- define "cdi.image" -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{/* The given PriorityClass, or KubeVirt's where this cluster has it (spec 8.2). */}}
{{- define "cdi.priorityClass" -}}
{{- with .Values.controller.priorityClassName -}}
{{ . }}
{{- else -}}
{{- if lookup "scheduling.k8s.io/v1" "PriorityClass" "" "kubevirt-cluster-critical" -}}
kubevirt-cluster-critical
{{- end -}}
{{- end -}}
{{- end }}
