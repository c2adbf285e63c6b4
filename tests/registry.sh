# To be sourced: a registry of $crane on loopback and in memory, at port $port, which ends with the script,
# as $folder does, a folder for its files.
folder=$(mktemp -d)
exec 3< <(exec "$crane" registry serve --address 127.0.0.1:0 2>&1)
registry=$!
trap 'kill $registry; rm -r "$folder"' EXIT
# It says its port once it listens.
while read -r line <&3; do
  port=$(sed -n 's/.*serving on port //p' <<<"$line")
  [ -z "$port" ] || break
done
[ -n "${port:-}" ] || { echo "FAIL  the registry does not start: ${line:-}"; exit 1; }
