#!/bin/sh
# What every container begins with: secrets from files into the environment, then the command in this very process, so that
# SIGTERM reaches it. Without a command, or with flags alone, it is the service of the image.
# A secret is a file in /etc/synthmill/secrets named as the variable. Only these are read; other files there are left to
# whoever asks for them by their path.
set -eu
folder=${SECRETS_FOLDER:-/etc/synthmill/secrets}
for name in PGPASSWORD AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN; do
    if [ -f "$folder/$name" ]; then
        value=$(cat "$folder/$name")
        export "$name=$value"
    fi
done
case ${1:--} in
-*)
    if [ "${SERVICE:-client}" = client ]; then
        set -- synthmill "$@"
    else
        set -- python -m "synthmill.$SERVICE" "$@"
    fi
    ;;
esac
exec "$@"
