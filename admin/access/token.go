package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
)

// tokenPrefix makes a leaked token recognisable, in a log or a repository for instance.
const tokenPrefix = "plugtone_"

// NewToken returns a token of 256 random bits.
func NewToken() string {
	var b [32]byte
	rand.Read(b[:]) // never returns an error
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(b[:])
}

// HashToken returns the SHA-256 of a token in hexadecimal, under which it is stored.
func HashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
