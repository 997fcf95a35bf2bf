"""OpenTelemetry traces: one request, followed through all services and the jobs that it makes.

`setting_up` switches tracing on, by OpenTelemetry's own environment variables; it is all that knows the SDK. `calls`
makes the spans of calls at both ends, `work` those of jobs and commands. `parents` finds what a span belongs to. While
nobody has loaded OpenTelemetry, none of it does anything.

gRPC's own instrumentation works with interceptors, which cost a small call a third of its time, even where nobody
traces.
"""
