package fleet_test

import (
	"testing"

	"plugtone/provision/fleet"
)

func TestParametersWithSecretsAreFoundByName(t *testing.T) {
	for _, name := range []string{"account.1.password", "Admin_Passwd", "User_Password_1_", "sip.secret", "wifi.1.psk", "WpaPSK", "adminPwd", "network.pwd",
		"phone_setting.unlock_pin", "UserPIN", "lock.pin.code", "static.auto_provision.aes_key_16.com", "Wpa_Shared_Key", "wifi.1.key", "wlan/Key1", "ldap.pw", "api_token", "enc.pass"} {
		if !fleet.LooksSecret(name) {
			t.Errorf("%s would be shown", name)
		}
	}
	for _, name := range []string{"", "linekey.1.type", "features.key_as_send", "ping.interval", "phone_setting.backlight_time", "sip.x", "keyboard", "bypass_proxy", "call_pickup"} {
		if fleet.LooksSecret(name) {
			t.Errorf("%s is masked without need", name)
		}
	}
}
