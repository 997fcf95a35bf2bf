#!/bin/sh
# Makes a database for each service, owned by a user of the same name that may enter no other. PostgreSQL's image runs this
# once, when its folder is empty. Passwords are in files: $SECRETS_FOLDER/SERVICE-password.
set -eu
folder=${SECRETS_FOLDER:-/run/secrets}
for service in catalog augmentation training evaluation pipeline; do
    # By a variable, as anybody may read the arguments of a process.
    password=$(cat "$folder/$service-password")
    PASSWORD=$password psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 \
        --username "$POSTGRES_USER" --dbname postgres --set service="$service" <<'SQL'
\getenv password PASSWORD
CREATE ROLE :"service" LOGIN PASSWORD :'password';
CREATE DATABASE :"service" OWNER :"service";
REVOKE ALL ON DATABASE :"service" FROM PUBLIC;
SQL
done
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
    --command 'REVOKE ALL ON DATABASE postgres FROM PUBLIC'
