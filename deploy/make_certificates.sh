#!/bin/sh
# Makes an authority, and what it signs: a certificate for each service, as server and as client, and one for whoever asks them.
# What is there and good for 30 days more stays; what is made is named. $DAYS says how long certificates are good for: 365, and
# the authority ten times as long. $NAMES says by which names services are reached beside their own: DNS:mill.test,IP:192.0.2.7
# Usage: deploy/make_certificates.sh FOLDER
set -eu
if [ $# -ne 1 ]; then
    sed -n '2,5s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
days=${DAYS:-365}
spare_s=2592000
mkdir -p "$1"
# Containers read the files under users of their own; nobody else gets through the folder.
chmod 700 "$1"
cd "$1"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# holds NAME: its certificate is the authority's, and for long enough.
holds() {
    openssl verify -CAfile ca.pem "$1.pem" >/dev/null 2>&1 &&
        openssl x509 -checkend "$spare_s" -noout -in "$1.pem" >/dev/null
}

# belongs NAME: its key is that of its certificate.
belongs() {
    [ "$(openssl pkey -pubout -in "$1.key" 2>/dev/null)" = "$(openssl x509 -pubkey -noout -in "$1.pem")" ]
}

# make_key NAME
make_key() {
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"
}

# sign NAME SUBJECT EXTENSIONS OPTION...: signs the certificate of its key. Files are written in place, so that whoever has
# mounted one sees what it has become.
sign() {
    name=$1
    printf '%b' "$3" >"$work/extensions"
    openssl req -new -key "$name.key" -subj "/CN=$2" -out "$work/request"
    shift 3
    openssl x509 -req -in "$work/request" -extfile "$work/extensions" -set_serial "0x$(openssl rand -hex 16)" \
        -sha256 -out "$name.pem" "$@" 2>"$work/said" || { cat "$work/said" >&2 && return 1; }
    chmod 644 "$name.pem"
    echo "$name.pem"
}

# certificate NAME EXTENSIONS
certificate() {
    if ! holds "$1" || ! belongs "$1"; then
        make_key "$1"
        chmod 644 "$1.key"
        sign "$1" "$1" "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n$2" \
            -CA ca.pem -CAkey ca.key -days "$days"
    fi
}

if ! holds ca; then
    # Under the same key, what it has signed stays good.
    [ -s ca.key ] || make_key ca
    chmod 600 ca.key
    sign ca "Synthmill authority" \
        "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash" \
        -signkey ca.key -days $((days * 10))
fi
for service in catalog augmentation training sampling evaluation pipeline; do
    names="DNS:$service,DNS:$service.synthmill,DNS:$service.synthmill.svc,DNS:$service.synthmill.svc.cluster.local"
    certificate "$service" \
        "extendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=$names,DNS:localhost,IP:127.0.0.1${NAMES:+,$NAMES}"
done
certificate client "extendedKeyUsage=clientAuth"
