package setting

import (
	"slices"
	"strings"
	"time"
)

// definitions is the catalogue in alphabetical order.
func definitions() []Def {
	all := slices.Concat(networkSettings(), callSettings(), displaySettings())
	slices.SortFunc(all, func(a, b Def) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// networkSettings are the settings of network, provisioning, management and encryption.
func networkSettings() []Def {
	const day = 24 * time.Hour
	return []Def{
		{Name: "admin_password", Type: Hidden, Max: 64, Help: "password of the phone's administrator account"},
		{Name: "cdp", Type: Bool, Help: "learn the voice VLAN by Cisco Discovery Protocol"},
		{Name: "dns_servers", Type: List, Form: IPv4, Min: 1, Max: 3, Help: "name servers of the phone, when DHCP's are not to be used"},
		{Name: "dot1x_identity", Type: Text, Max: 64, Help: "IEEE 802.1X identity"},
		{Name: "dot1x_mode", Type: Choice, Choices: []string{"off", "md5", "tls", "peap-mschapv2", "ttls-mschapv2"}, Help: "IEEE 802.1X method"},
		{Name: "dot1x_password", Type: Hidden, Max: 64, Help: "IEEE 802.1X password"},
		{Name: "firmware", Type: List, Form: FileName, Min: 1, Max: 16, Help: "firmware files that the phone may fetch and install"},
		{Name: "keep_alive", Type: Time, MinDuration: 5 * time.Second, MaxDuration: time.Hour, Off: true, Help: "interval of packets that keep a NAT binding open; 0s sends none"},
		{Name: "lldp", Type: Bool, Help: "learn the voice VLAN by LLDP-MED"},
		{Name: "local_sip_port", Type: Int, Min: 1024, Max: 65535, Help: "port that the phone sends and takes SIP on"},
		{Name: "ntp_servers", Type: List, Form: Host, Min: 1, Max: 2, Help: "time servers"},
		{Name: "pc_vlan", Type: Int, Min: 0, Max: 4094, Help: "VLAN of the phone's PC port; 0 for untagged"},
		{Name: "provisioning_password", Type: Hidden, Max: 64, Help: "password of the phone at its provisioning server; filled in with external_url"},
		{Name: "provisioning_user", Type: Text, Max: 64, Help: "user name of the phone at its provisioning server; filled in with external_url"},
		{Name: "qos_rtp", Type: Int, Min: 0, Max: 63, Help: "DSCP of audio packets"},
		{Name: "qos_sip", Type: Int, Min: 0, Max: 63, Help: "DSCP of SIP packets"},
		{Name: "recheck_interval", Type: Time, MinDuration: time.Minute, MaxDuration: 30 * day, Off: true, Help: "how often the phone fetches its files again; 0s only at boot"},
		{Name: "rport", Type: Bool, Help: "have SIP answered to the address and port that it came from (RFC 3581)"},
		{Name: "session_timers", Type: Bool, Help: "SIP session timers (RFC 4028)"},
		{Name: "srtp", Type: Choice, Choices: []string{"off", "optional", "required"}, Help: "encryption of audio"},
		{Name: "sip_from_registrar_only", Type: Bool, Help: "take calls from the registrar only, not from other hosts"},
		{Name: "stun_server", Type: Text, Form: HostOptPort, Max: 255, Help: "STUN server that the phone finds its public address with"},
		{Name: "syslog_level", Type: Int, Min: 0, Max: 7, Help: "least severe message sent to the syslog server"},
		{Name: "syslog_server", Type: Text, Form: HostOptPort, Max: 255, Help: "where the phone sends its log"},
		{Name: "tls_version", Type: Choice, Choices: []string{"auto", "tls1.0", "tls1.1", "tls1.2"}, Help: "version of TLS that the phone uses; auto for the best that both sides have"},
		{Name: "user_password", Type: Hidden, Max: 64, Help: "password of the phone's user account"},
		{Name: "verify_certificates", Type: Bool, Help: "accept only servers whose certificate the phone trusts"},
		{Name: "vlan_priority", Type: Int, Min: 0, Max: 7, Help: "IEEE 802.1p priority of the phone's own packets in voice_vlan"},
		{Name: "voice_vlan", Type: Int, Min: 0, Max: 4094, Help: "VLAN that the phone tags its own packets with; 0 for untagged"},
		{Name: "vpn_config", Type: Text, Form: FileOrURL, Max: 255, Help: "OpenVPN configuration: a file that the phone can fetch"},
		{Name: "web_interface", Type: Choice, Choices: []string{"off", "http", "https", "both"}, Help: "the phone's own web page"},
		{Name: "wifi_password", Type: Hidden, Max: 63, Help: "password of wifi_ssid (WPA2)"},
		{Name: "wifi_ssid", Type: Text, Max: 32, Help: "name of the wireless network that the phone joins"},
	}
}

// callSettings are the settings of calls and audio.
func callSettings() []Def {
	return []Def{
		{Name: "action_urls", Type: List, Form: ActionURL, Min: 1, Max: 16, Help: "pages that the phone fetches on events: registered=http://pbx.example.com/up"},
		{Name: "alert_rings", Type: List, Form: AlertRing, Min: 1, Max: 10, Help: "ring for calls whose Alert-Info holds a text: external=Ring3.wav, the phone's name for the ring"},
		{Name: "auto_answer", Type: Bool, Help: "answer calls without ringing"},
		{Name: "call_waiting", Type: Bool, Help: "signal a second call during a call"},
		{Name: "call_waiting_tone", Type: Bool, Help: "play a tone during a call when a second call comes in"},
		{Name: "codecs", Type: Choices, Choices: []string{"pcmu", "pcma", "g722", "g729", "g726-32", "ilbc", "opus"}, Min: 1, Max: 7, Help: "audio codecs in order of preference"},
		{Name: "conference_uri", Type: Text, Form: Number, Max: 128, Help: "conference on the PBX that the phone's conference key makes: a number or user@host"},
		{Name: "country", Type: Text, Form: Country, Max: 2, Help: "country whose dial, ringing and busy tones the phone plays: DE, GB, US and the like"},
		{Name: "dial_plan", Type: Text, Max: 512, Help: "digit map in the phone's own notation"},
		{Name: "dial_timeout", Type: Time, MinDuration: time.Second, MaxDuration: 60 * time.Second, Help: "pause after the last digit before the number is dialled"},
		{Name: "dnd", Type: Bool, Help: "start with do not disturb switched on"},
		{Name: "dtmf", Type: Choice, Choices: []string{"rfc2833", "inband", "info"}, Help: "how key presses are sent during a call"},
		{Name: "emergency_numbers", Type: List, Form: Digits, Min: 1, Max: 10, Help: "numbers that can be dialled while the phone is locked"},
		{Name: "feature_codes", Type: List, Form: FeatureCode, Min: 1, Max: 8, Help: "codes that the phone dials when its user switches a feature: dnd_on=*78, forward_on=*72"},
		{Name: "feature_key_sync", Type: Bool, Help: "keep do not disturb and call forwarding in step with the PBX (as-feature-event)"},
		{Name: "forward_always", Type: Text, Form: Number, Max: 64, Help: "number that every call is forwarded to"},
		{Name: "forward_busy", Type: Text, Form: Number, Max: 64, Help: "number that calls are forwarded to while the line is busy"},
		{Name: "forward_no_answer", Type: Text, Form: Number, Max: 64, Help: "number that calls are forwarded to when they are not answered"},
		{Name: "intercom", Type: Bool, Help: "accept intercom calls: answer when the caller requests it"},
		{Name: "missed_calls", Type: Bool, Help: "show missed calls"},
		{Name: "multicast_listen", Type: List, Form: HostPort, Min: 1, Max: 10, Help: "multicast paging addresses to listen to, in order of priority: 239.1.1.1:5004"},
		{Name: "pickup_code", Type: Text, Max: 32, Help: "dialled before a number whose ringing call is to be taken, as a busy lamp key does: *8 or **"},
		{Name: "ring_tone", Type: Text, Form: FileName, Max: 64, Help: "ring tone: a name or file that the phone has"},
		{Name: "ring_volume", Type: Int, Min: 0, Max: 15, Help: "ring volume"},
		{Name: "transfer_on_hangup", Type: Bool, Help: "hanging up completes a transfer"},
		{Name: "transfer_type", Type: Choice, Choices: []string{"attended", "blind"}, Help: "what a transfer key does: call the target first, or transfer at once"},
		{Name: "vad", Type: Bool, Help: "voice activity detection: send nothing during silence"},
	}
}

// displaySettings are the settings of display, keys and directories.
func displaySettings() []Def {
	const day = 24 * time.Hour
	return []Def{
		{Name: "backlight_timeout", Type: Time, MinDuration: time.Second, MaxDuration: day, Off: true, Help: "idle time after which the display goes dark; 0s keeps it lit"},
		{Name: "blf_led_mode", Type: Choice, Choices: []string{"idle-lit", "idle-dark"}, Help: "whether the lamp of a busy lamp key is lit or dark while the extension is idle"},
		{Name: "date_format", Type: Choice, Choices: []string{"dmy", "mdy", "ymd"}, Help: "order of day, month and year in the date shown"},
		{Name: "language", Type: Text, Form: Language, Max: 5, Help: "language of display and web page: de, en, en-GB, fr-CA and the like"},
		{Name: "ldap_base", Type: Text, Max: 255, Help: "where in the LDAP directory the phone searches: ou=people,dc=example,dc=com"},
		{Name: "ldap_filter", Type: Text, Max: 255, Help: "LDAP filter of a search by name, % for what was typed where the phone needs it: (|(cn=%)(sn=%))"},
		{Name: "ldap_password", Type: Hidden, Max: 64, Help: "password of ldap_user"},
		{Name: "ldap_server", Type: Text, Form: HostOptPort, Max: 255, Help: "LDAP directory that the phone searches"},
		{Name: "ldap_tls", Type: Choice, Choices: []string{"off", "starttls", "ldaps"}, Help: "encryption of LDAP"},
		{Name: "ldap_user", Type: Text, Max: 255, Help: "name that the phone binds to the LDAP directory with; without one it binds to none"},
		{Name: "logo", Type: Text, Form: FileOrURL, Max: 255, Help: "company logo on the display or at start: a file that the phone can fetch"},
		{Name: "phone_lock_pin", Type: Hidden, Form: Digits, Max: 15, Help: "PIN that unlocks the phone's keypad"},
		{Name: "phonebook", Type: Choice, Choices: []string{"all", "contacts", "extensions", "off"}, Help: "phonebook that plugtone gives the phone: the contacts of its device and profile, the extensions of its registrars, or all of them"},
		{Name: "phonebook_name", Type: Text, Max: 64, Help: "what the phone calls its remote phonebook; Phonebook when not set"},
		{Name: "phonebook_url", Type: Text, Form: URL, Max: 255, Help: "remote phonebook of another server; with phonebook the place is filled in"},
		{Name: "power_saving", Type: Bool, Help: "switch the display off outside office hours"},
		{Name: "screensaver_timeout", Type: Time, MinDuration: time.Second, MaxDuration: day, Off: true, Help: "idle time before the screen saver; 0s for none"},
		{Name: "soft_keys", Type: List, Form: SoftKeys, Min: 1, Max: 8, Help: "soft keys of a state, in the phone's own words: idle=history dir dnd"},
		{Name: "time_format", Type: Choice, Choices: []string{"12h", "24h"}, Help: "clock shown with 12 or 24 hours"},
		{Name: "time_zone", Type: Text, Form: Zone, Max: 64, Help: "IANA time zone such as Europe/Berlin"},
		{Name: "wallpaper", Type: Text, Form: FileOrURL, Max: 255, Help: "background picture: a file that the phone can fetch"},
	}
}
