package setting

import (
	"maps"
	"reflect"
	"testing"
	"time"
)

// sample is a good text for a setting, and its canonical value.
type sample struct {
	text string
	want any
}

// samples has a sample for each setting.
func samples() map[string]sample {
	all := map[string]sample{
		"action_urls":       {"registered=http://pbx.example.com/up?mac=$mac", []string{"registered=http://pbx.example.com/up?mac=$mac"}},
		"admin_password":    {"geh,eim", Secret("geh,eim")},
		"alert_rings":       {"external=Ring3.wav, group a=2", []string{"external=Ring3.wav", "group a=2"}},
		"auto_answer":       {"yes", true},
		"backlight_timeout": {"0s", Duration(0)},
		"blf_led_mode":      {"idle-dark", "idle-dark"},
		"call_waiting":      {"false", false},
		"call_waiting_tone": {"on", true},
		"cdp":               {"off", false},
		"codecs":            {"G722, pcma", []string{"g722", "pcma"}},
		"conference_uri":    {"conf@pbx.example.com", "conf@pbx.example.com"},
		"country":           {"DE", "DE"},
		"date_format":       {"DMY", "dmy"},
		"dial_plan":         {"[2-9]xxx|0.,x", "[2-9]xxx|0.,x"},
		"dial_timeout":      {"4s", Duration(4 * time.Second)},
		"dnd":               {"0", false},
		"dns_servers":       {"10.0.0.1,10.0.0.2", []string{"10.0.0.1", "10.0.0.2"}},
		"dot1x_identity":    {"phone7", "phone7"},
		"dot1x_mode":        {"MD5", "md5"},
		"dot1x_password":    {"x", Secret("x")},
		"dtmf":              {"rfc2833", "rfc2833"},
		"emergency_numbers": {"112,110", []string{"112", "110"}},
		"feature_codes":     {"dnd_on=*78,dnd_off=*79", []string{"dnd_on=*78", "dnd_off=*79"}},
		"feature_key_sync":  {"yes", true},
		"firmware":          {"T46U(T43U)-108.86.0.90.rom", []string{"T46U(T43U)-108.86.0.90.rom"}},
		"forward_always":    {"+4930123", "+4930123"},
		"forward_busy":      {"1002", "1002"},
		"forward_no_answer": {"*97", "*97"},
		"intercom":          {"on", true},
		"keep_alive":        {"30s", Duration(30 * time.Second)},
		"language":          {"fr-CA", "fr-CA"},
		"ldap_base":         {"ou=people,dc=example,dc=com", "ou=people,dc=example,dc=com"},
		"ldap_filter":       {"(|(cn=%)(sn=%))", "(|(cn=%)(sn=%))"},
		"ldap_password":     {"l4ap", Secret("l4ap")},
		"ldap_server":       {"ldap.example.com:389", "ldap.example.com:389"},
		"ldap_tls":          {"starttls", "starttls"},
		"ldap_user":         {"cn=phone,dc=example,dc=com", "cn=phone,dc=example,dc=com"},
		"lldp":              {"1", true},
		"local_sip_port":    {"5062", 5062},
		"logo":              {"logo.png", "logo.png"},
	}
	maps.Copy(all, moreSamples())
	return all
}

func moreSamples() map[string]sample {
	return map[string]sample{
		"missed_calls":            {"off", false},
		"multicast_listen":        {"239.1.1.1:5004", []string{"239.1.1.1:5004"}},
		"ntp_servers":             {"ntp.example.net", []string{"ntp.example.net"}},
		"pc_vlan":                 {"20", 20},
		"phone_lock_pin":          {"0123", Secret("0123")},
		"phonebook":               {"all", "all"},
		"phonebook_name":          {"Team", "Team"},
		"phonebook_url":           {"http://10.0.0.1:8080/book.xml", "http://10.0.0.1:8080/book.xml"},
		"pickup_code":             {"*8", "*8"},
		"power_saving":            {"on", true},
		"provisioning_password":   {"k7mq2w", Secret("k7mq2w")},
		"provisioning_user":       {"001565123456", "001565123456"},
		"qos_rtp":                 {"46", 46},
		"qos_sip":                 {"26", 26},
		"recheck_interval":        {"1d", Duration(24 * time.Hour)},
		"ring_tone":               {"Ring1.wav", "Ring1.wav"},
		"ring_volume":             {"8", 8},
		"rport":                   {"on", true},
		"screensaver_timeout":     {"10m", Duration(10 * time.Minute)},
		"session_timers":          {"no", false},
		"soft_keys":               {"idle=history dir, held=resume", []string{"idle=history dir", "held=resume"}},
		"sip_from_registrar_only": {"yes", true},
		"srtp":                    {"required", "required"},
		"stun_server":             {"stun.example.com", "stun.example.com"},
		"syslog_level":            {"6", 6},
		"syslog_server":           {"10.0.0.9:514", "10.0.0.9:514"},
		"time_format":             {"24h", "24h"},
		"time_zone":               {"Europe/Berlin", "Europe/Berlin"},
		"tls_version":             {"tls1.2", "tls1.2"},
		"transfer_on_hangup":      {"on", true},
		"transfer_type":           {"blind", "blind"},
		"user_password":           {"pin", Secret("pin")},
		"vad":                     {"off", false},
		"verify_certificates":     {"on", true},
		"vlan_priority":           {"5", 5},
		"voice_vlan":              {"10", 10},
		"vpn_config":              {"client.tar", "client.tar"},
		"wallpaper":               {"logo.png", "logo.png"},
		"web_interface":           {"https", "https"},
		"wifi_password":           {"wlan,secret", Secret("wlan,secret")},
		"wifi_ssid":               {"Voice 5", "Voice 5"},
	}
}

func TestListProblemsNameTheItem(t *testing.T) {
	_, problems := Values{"emergency_numbers": []any{"112", "police"}, "alert_rings": []any{"a=1", "b=2", "a=3"}, "dns_servers": []any{"x"}}.Check()
	want := []FieldError{
		{Field: "alert_rings", Value: "a=3", Message: `item 3 has "a" a second time; join the two or take one out`},
		{Field: "dns_servers", Value: "[x]", Message: "allowed is a list of 1 to 3 times an IPv4 address"},
		{Field: "emergency_numbers", Value: "police", Message: "item 2 is not allowed; allowed is a list of 1 to 10 times 1 to 15 digits"},
	}
	if !reflect.DeepEqual(problems, want) {
		t.Errorf("problems %+v, want %+v", problems, want)
	}
}

func TestExamplesHaveTheirForm(t *testing.T) {
	for _, d := range All() {
		if d.Form != "" && !d.Form.check(d.Form.Example()) {
			t.Errorf("%s: example %q is not %s", d.Name, d.Form.Example(), d.Form.words())
		}
	}
}
