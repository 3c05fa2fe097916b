#!/bin/sh
# Writes .env, and a new encryption key and new passwords in .secrets: `make env`. Keeps each file that exists, so it can
# be repeated: to replace a password, delete its file first.
set -eu
umask 077

FOLDER=.secrets

generate() { head -c 32 /dev/urandom | base64 | tr '+/' '-_'; }
generate_password() { generate | tr -d '=\n'; } # characters that need no escape in an address

# Other users of this machine cannot enter the folder. The containers mount single files and run as users of their own,
# so the files themselves are readable for all.
write() {
  if [ ! -e "$FOLDER/$1" ]; then
    printf '%s' "$2" >"$FOLDER/.new"
    chmod 444 "$FOLDER/.new"
    mv "$FOLDER/.new" "$FOLDER/$1"
    echo "Written: $FOLDER/$1"
  fi
}

mkdir -p "$FOLDER"
chmod 700 "$FOLDER"
write encryption_keys "$(generate)"
write http_token "$(generate_password)"
write mongodb_keyfile "$(head -c 96 /dev/urandom | base64 | tr -d '\n')"
for user in admin poller mapper writer cli; do
  write "kafka_$user" "$(generate_password)"
done
for user in admin init poller mapper writer cli backup; do
  write "mongodb_$user" "mongodb://$user:$(generate_password)@mongo:27017/?replicaSet=rs0"
done
for file in mongodump:backup mongorestore:admin; do # the form that these programs read
  rm -f "$FOLDER/${file%:*}.yaml"
  write "${file%:*}.yaml" "uri: $(cat "$FOLDER/mongodb_${file#*:}")" >/dev/null
done
if [ ! -e .env ]; then
  cp .env.example .env
  echo "Written: .env"
fi
echo "Keep a copy of $FOLDER apart from the data: without its encryption_keys, the stored credentials cannot be read."
