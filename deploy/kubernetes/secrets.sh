#!/bin/sh
# Prints the Secrets that the pods mount, of the files that deploy/make_secrets.sh made, or of your own with those names; and if
# they are there, of those of make_certificates.sh and make_tokens.sh.
# Usage: deploy/kubernetes/secrets.sh FOLDER | kubectl apply -f -
set -eu
if [ $# -ne 1 ]; then
    sed -n '2,4s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
cd "$1"

# secret NAME TYPE KEY=FILE...
secret() {
    printf -- '---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: synthmill-%s\n  namespace: synthmill\n' "$1"
    printf 'type: %s\ndata:\n' "$2"
    shift 2
    for pair in "$@"; do
        value=$(base64 <"${pair#*=}" | tr -d '\n')
        printf '  %s: %s\n' "${pair%%=*}" "$value"
    done
}

databases=
for service in catalog augmentation training evaluation pipeline; do
    secret "$service" Opaque "PGPASSWORD=$service-password"
    databases="$databases $service-password=$service-password"
done
secret store Opaque AWS_ACCESS_KEY_ID=store-user AWS_SECRET_ACCESS_KEY=store-password
# For the PostgreSQL of the overlay `small` alone.
# shellcheck disable=SC2086 # It is a list.
secret postgres Opaque postgres-password=postgres-password $databases

if [ -e ca.pem ]; then
    # As cert-manager writes them, too.
    for name in catalog augmentation training sampling evaluation pipeline client; do
        secret "tls-$name" kubernetes.io/tls "tls.crt=$name.pem" "tls.key=$name.key" ca.crt=ca.pem
    done
fi
if [ -e access ]; then
    secret access Opaque tokens.yaml=access/tokens.yaml quotas.yaml=access/quotas.yaml
    for file in token-*; do
        secret "$file" Opaque "token=$file"
    done
fi
