package fleet

import (
	"slices"
	"strings"
	"unicode"
)

// secretParts make a parameter a secret wherever they occur in its name; secretWords only as a word of their own, for
// "ping" and "linekey" hold none.
var (
	secretParts = []string{"password", "passwd", "passphrase", "passcode", "secret", "token", "psk", "credential", "aeskey", "privatekey", "sharedkey"}
	secretWords = []string{"pwd", "pw", "pass", "pin", "wep"}
)

// LooksSecret reports whether a vendor's parameter holds a secret, judged by its name: packs don't state it, and a secret
// shown is worse than a value masked without need.
func LooksSecret(param string) bool {
	words := nameWords(param)
	joined := strings.Join(words, "")
	if slices.ContainsFunc(secretParts, func(part string) bool { return strings.Contains(joined, part) }) {
		return true
	}
	if slices.ContainsFunc(words, func(w string) bool { return slices.Contains(secretWords, w) }) {
		return true
	}
	return len(words) > 0 && words[len(words)-1] == "key"
}

// nameWords splits a parameter's name into its words, in lower case: at what is not a letter, and where adminPwd or
// AdminPWD changes case.
func nameWords(name string) []string {
	var words []string
	var word []rune
	end := func() {
		if len(word) > 0 {
			words = append(words, strings.ToLower(string(word)))
			word = word[:0]
		}
	}
	lower := false
	for _, r := range name {
		if !unicode.IsLetter(r) {
			end()
			lower = false
			continue
		}
		if lower && unicode.IsUpper(r) {
			end()
		}
		lower = unicode.IsLower(r)
		word = append(word, r)
	}
	end()
	return words
}
