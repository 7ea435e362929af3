package setting

import (
	"net/url"
	"slices"
	"strings"
)

// Items of some lists are pairs KEY=VALUE, each key at most once: an event and a URL, a text and a ring, a state and its keys.

// ActionEvents are the events of action_urls.
func ActionEvents() []string {
	return []string{"boot", "registered", "unregistered", "register_failed", "off_hook", "on_hook", "incoming", "outgoing", "connected", "disconnected",
		"missed", "dnd_on", "dnd_off", "forward_on", "forward_off", "transfer", "hold", "unhold", "mute", "unmute"}
}

// SoftKeyStates are the states of soft_keys.
func SoftKeyStates() []string { return []string{"idle", "dialing", "ringing", "connected", "held"} }

// Features are the features of feature_codes.
func Features() []string {
	return []string{"dnd_on", "dnd_off", "forward_on", "forward_off", "forward_busy_on", "forward_busy_off", "forward_no_answer_on", "forward_no_answer_off"}
}

// checkPair reports whether s is a pair of the form.
func (f Form) checkPair(s string) bool {
	key, value, ok := strings.Cut(s, "=")
	if !ok || key == "" || value == "" || strings.TrimSpace(key) != key || strings.TrimSpace(value) != value {
		return false
	}
	switch f {
	case ActionURL:
		return slices.Contains(ActionEvents(), key) && isActionURL(value)
	case FeatureCode:
		return slices.Contains(Features(), key) && isNumber(value)
	case SoftKeys:
		return slices.Contains(SoftKeyStates(), key)
	}
	return true
}

// sameKey reports whether one of the pairs in list has the key of s, and returns that key. It is false for other forms.
func sameKey(f Form, list []string, s string) (string, bool) {
	if !slices.Contains([]Form{ActionURL, AlertRing, FeatureCode, SoftKeys}, f) {
		return "", false
	}
	key, _, _ := strings.Cut(s, "=")
	return key, slices.ContainsFunc(list, func(other string) bool { return strings.HasPrefix(other, key+"=") })
}

// isActionURL reports whether s is an HTTP URL. It may hold variables of the phone, such as $mac or {mac}, after the host.
func isActionURL(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || strings.ContainsAny(s, " \"") {
		return false
	}
	_, _, ok := SplitHostPort(u.Host)
	return ok && (u.Scheme == "http" || u.Scheme == "https")
}

// isNumber reports whether s can be dialled: a number, a feature code or the user of a SIP URI.
func isNumber(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !isLetter(c) && !isDigit(c) && !strings.ContainsRune("+*#._@:-", rune(c)) {
			return false
		}
	}
	return s != ""
}
