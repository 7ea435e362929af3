#!/bin/sh
# Certificates as phone factories of some years ago made them: SHA-1 throughout, no client usage. Written once; the tests
# read the files. crypto/x509 can't sign with SHA-1.
set -e
cd "$(dirname "$0")"
openssl req -x509 -newkey rsa:2048 -nodes -keyout root.key -out root.pem -sha1 -days 20000 -subj "/O=Factory/CN=Factory Root"
openssl req -newkey rsa:2048 -nodes -keyout sub.key -out sub.csr -subj "/O=Factory/CN=Factory Issuing CA"
printf 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n' >sub.ext
openssl x509 -req -in sub.csr -CA root.pem -CAkey root.key -CAcreateserial -out sub.pem -sha1 -days 20000 -extfile sub.ext
openssl req -newkey rsa:2048 -nodes -keyout phone.key -out phone.csr -subj "/OU=Factory Equipment/CN=001565123456"
printf 'extendedKeyUsage=critical,serverAuth\n' >phone.ext
openssl x509 -req -in phone.csr -CA sub.pem -CAkey sub.key -CAcreateserial -out phone.pem -sha1 -days 20000 -extfile phone.ext
cat sub.pem >>phone.pem
rm -f ./*.csr ./*.ext ./*.srl root.key sub.key
