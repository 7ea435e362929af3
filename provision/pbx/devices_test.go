package pbx_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plugtone/dhcp"
	"plugtone/provision/pbx"
	"plugtone/provision/setting"
)

var all = pbx.Take{Extensions: true, Devices: true, Profiles: true}

// readAll reads the database of a server with its devices and profiles.
func (s server) readAll(t *testing.T, typ, database string) pbx.Snapshot {
	t.Helper()
	got, err := pbx.Source{Type: typ, DSN: fmt.Sprintf(s.dsn, database), PasswordFile: s.password, Take: all}.Read(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// sameDevices compares devices, profiles and problems.
func sameDevices(t *testing.T, got pbx.Snapshot, devices []pbx.SourceDevice, profiles []pbx.SourceProfile, problems []string) {
	t.Helper()
	clear := cmp.Transformer("clear", func(s setting.Secret) string { return s.Reveal() })
	if diff := cmp.Diff(devices, got.Devices, clear); diff != "" {
		t.Errorf("devices (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(profiles, got.Profiles, clear); diff != "" {
		t.Errorf("profiles (-want +got):\n%s", diff)
	}
	var said []string
	for _, p := range got.Problems {
		said = append(said, p.String())
	}
	if diff := cmp.Diff(problems, said); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func macOf(t *testing.T, text string) dhcp.MAC {
	t.Helper()
	m, err := dhcp.ParseMAC(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// FusionPBX 5, the columns of app/devices/app_config.php that matter.
const fusionDevices = fusionPBX + `
CREATE TABLE v_devices (device_uuid uuid PRIMARY KEY, domain_uuid uuid, device_profile_uuid uuid, device_address text, device_label text, device_vendor text, device_location text,
  device_serial_number text, device_model text, device_firmware_version text, device_enabled boolean, device_template text, device_uuid_alternate uuid, device_time_zone text,
  device_description text, device_provisioned_agent text);
CREATE TABLE v_device_lines (device_line_uuid uuid PRIMARY KEY, domain_uuid uuid, device_uuid uuid, line_number text, server_address text, server_address_primary text,
  server_address_secondary text, outbound_proxy_primary text, outbound_proxy_secondary text, label text, display_name text, user_id text, auth_id text, password text, sip_port numeric,
  sip_transport text, register_expires numeric, shared_line text, enabled boolean);
CREATE TABLE v_device_keys (device_key_uuid uuid PRIMARY KEY, domain_uuid uuid, device_uuid uuid, device_key_id numeric, device_key_category text, device_key_vendor text, device_key_type text,
  device_key_subtype text, device_key_line text, device_key_value text, device_key_extension text, device_key_protected text, device_key_label text, device_key_icon text);
CREATE TABLE v_device_settings (device_setting_uuid uuid PRIMARY KEY, device_uuid uuid, domain_uuid uuid, device_setting_category text, device_setting_subcategory text,
  device_setting_name text, device_setting_value text, device_setting_enabled boolean);
CREATE TABLE v_device_profiles (device_profile_uuid uuid PRIMARY KEY, domain_uuid uuid, device_profile_name text, device_profile_enabled boolean);
CREATE TABLE v_device_profile_keys (device_profile_key_uuid uuid PRIMARY KEY, domain_uuid uuid, device_profile_uuid uuid, profile_key_id numeric, profile_key_category text,
  profile_key_vendor text, profile_key_type text, profile_key_subtype text, profile_key_line text, profile_key_value text, profile_key_extension text, profile_key_protected text, profile_key_label text);
CREATE TABLE v_device_profile_settings (device_profile_setting_uuid uuid PRIMARY KEY, domain_uuid uuid, device_profile_uuid uuid, profile_setting_name text, profile_setting_value text,
  profile_setting_enabled boolean);
CREATE TABLE v_device_vendors (device_vendor_uuid uuid PRIMARY KEY, name text, enabled boolean);
CREATE TABLE v_device_vendor_functions (device_vendor_function_uuid uuid PRIMARY KEY, device_vendor_uuid uuid, type text, subtype text, value text, enabled boolean);
INSERT INTO v_devices (device_uuid, domain_uuid, device_profile_uuid, device_address, device_label, device_vendor, device_location, device_serial_number, device_model, device_enabled, device_template, device_time_zone, device_description, device_provisioned_agent) VALUES
 ('d0000000-0000-0000-0000-000000000001','11111111-1111-1111-1111-111111111111','f0000000-0000-0000-0000-000000000001','001565000001','Reception','yealink','Berlin','3130','T46U',true,'yealink/t46u','Europe/Berlin','by the door','Yealink SIP-T46U 108.86.0.1 00:15:65:00:00:01'),
 ('d0000000-0000-0000-0000-000000000002','11111111-1111-1111-1111-111111111111',NULL,'00-15-65-00-00-02','','yealink',NULL,NULL,NULL,false,'yealink/t42u',NULL,NULL,NULL),
 ('d0000000-0000-0000-0000-000000000003','11111111-1111-1111-1111-111111111111',NULL,'softphone','My App','zoiper',NULL,NULL,NULL,true,'zoiper/5.x',NULL,NULL,NULL),
 ('d0000000-0000-0000-0000-000000000004','22222222-2222-2222-2222-222222222222',NULL,'001565000004','Of a domain that is off','yealink',NULL,NULL,NULL,true,'yealink/t42u',NULL,NULL,NULL);
INSERT INTO v_device_lines (device_line_uuid, device_uuid, line_number, server_address, server_address_primary, server_address_secondary, outbound_proxy_primary, outbound_proxy_secondary, label, display_name, user_id, auth_id, password, sip_port, sip_transport, register_expires, shared_line, enabled) VALUES
 (gen_random_uuid(),'d0000000-0000-0000-0000-000000000001','2','pbx-b.example.com','','pbx2.example.com','proxy.example.com','proxy2.example.com','','Ann L.','1002','1002x','0ld',5080,'tcp',120,'1',true),
 (gen_random_uuid(),'d0000000-0000-0000-0000-000000000001','1','pbx.example.com','','','',NULL,'Desk','Front Desk','1001','1001','s3cret',5060,'udp',3600,'',NULL),
 (gen_random_uuid(),'d0000000-0000-0000-0000-000000000001','3','pbx.example.com',NULL,NULL,NULL,NULL,NULL,'Front Desk','900','900','s3cret',NULL,NULL,NULL,NULL,false),
 (gen_random_uuid(),'d0000000-0000-0000-0000-000000000001','4','','','','','','','','','','',NULL,NULL,NULL,NULL,true);
INSERT INTO v_device_keys (device_key_uuid, device_uuid, device_key_id, device_key_category, device_key_vendor, device_key_type, device_key_line, device_key_value, device_key_extension, device_key_protected, device_key_label) VALUES
 (gen_random_uuid(),'d0000000-0000-0000-0000-000000000001',3,'line','yealink','16','1','1002','**','true','Ann'),
 (gen_random_uuid(),'d0000000-0000-0000-0000-000000000001',4,'line','snom','blf','1','1002','','',''),
 (gen_random_uuid(),'d0000000-0000-0000-0000-000000000001',21,'expansion-2',NULL,'13','0','*97','','','Voicemail'),
 (gen_random_uuid(),'d0000000-0000-0000-0000-000000000001',2,'expansion','Yealink','77','','1','','','');
INSERT INTO v_device_settings (device_setting_uuid, device_uuid, device_setting_subcategory, device_setting_value, device_setting_enabled) VALUES
 (gen_random_uuid(),'d0000000-0000-0000-0000-000000000001','ntp_server_secondary','ntp2.example.com',true),(gen_random_uuid(),'d0000000-0000-0000-0000-000000000001','ntp_server_primary','ntp1.example.com',true),
 (gen_random_uuid(),'d0000000-0000-0000-0000-000000000001','admin_password','h1dden',true),(gen_random_uuid(),'d0000000-0000-0000-0000-000000000001','yealink_wallpaper','x.jpg',false);
INSERT INTO v_device_profiles VALUES ('f0000000-0000-0000-0000-000000000001','11111111-1111-1111-1111-111111111111','Front Desk',true);
INSERT INTO v_device_profile_keys (device_profile_key_uuid, device_profile_uuid, profile_key_id, profile_key_category, profile_key_vendor, profile_key_type, profile_key_line, profile_key_value, profile_key_label) VALUES
 (gen_random_uuid(),'f0000000-0000-0000-0000-000000000001',5,'line','yealink','10','1','*5901','Park');
INSERT INTO v_device_profile_settings (device_profile_setting_uuid, device_profile_uuid, profile_setting_name, profile_setting_value, profile_setting_enabled) VALUES
 (gen_random_uuid(),'f0000000-0000-0000-0000-000000000001','language','de',true);
INSERT INTO v_device_vendors VALUES ('e0000000-0000-0000-0000-000000000001','yealink',true);
INSERT INTO v_device_vendor_functions VALUES (gen_random_uuid(),'e0000000-0000-0000-0000-000000000001','blf',NULL,'16',true),(gen_random_uuid(),'e0000000-0000-0000-0000-000000000001','call_park',NULL,'10',true),
 (gen_random_uuid(),'e0000000-0000-0000-0000-000000000001','mobile_line',NULL,'77',true);
UPDATE v_extensions SET number_alias = '900' WHERE extension = '1001';
`

// fusionPhones are what fusionDevices has.
func fusionPhones(t *testing.T) []pbx.SourceDevice {
	return []pbx.SourceDevice{
		{MAC: macOf(t, "001565000001"), Domain: "pbx.example.com", Vendor: "yealink", Model: "T46U", Template: "yealink/t46u", Agent: "Yealink SIP-T46U 108.86.0.1 00:15:65:00:00:01",
			Label: "Reception", Location: "Berlin", Serial: "3130", Notes: "by the door", Enabled: true, Profiles: []string{"f0000000-0000-0000-0000-000000000001"},
			Lines: []pbx.SourceLine{
				{Position: 1, Domain: "pbx.example.com", Number: "1001", Label: "Desk", Port: "5060", Transport: "udp", Expires: "3600"},
				{Position: 2, Domain: "pbx.example.com", Number: "1002", Label: "Ann L.", Server: "pbx-b.example.com", Port: "5080", Transport: "tcp", OutboundProxy: "proxy.example.com",
					BackupServer: "pbx2.example.com", BackupOutboundProxy: "proxy2.example.com", Expires: "120", Shared: true},
				{Position: 3, Domain: "pbx.example.com", Number: "1001", Disabled: true}, // by its alias
			},
			Keys: []pbx.SourceKey{
				{Area: "expansion1", Slot: 2, Vendor: "yealink", Type: "77", Function: "mobile_line", Value: "1"},
				{Area: "expansion2", Slot: 21, Type: "13", Line: "0", Value: "*97", Label: "Voicemail"},
				{Area: "line", Slot: 3, Vendor: "yealink", Type: "16", Function: "blf", Line: "1", Value: "1002", Extension: "**", Label: "Ann", Locked: true},
			},
			Settings: []pbx.SourceSetting{{Name: "time_zone", Value: "Europe/Berlin"}, {Name: "admin_password", Value: "h1dden"}, {Name: "ntp_servers", Value: "ntp1.example.com,ntp2.example.com"}}},
		{MAC: macOf(t, "001565000002"), Domain: "pbx.example.com", Vendor: "yealink", Template: "yealink/t42u"},
	}
}

var fusionProfiles = []pbx.SourceProfile{{ID: "f0000000-0000-0000-0000-000000000001", Domain: "pbx.example.com", Name: "Front Desk",
	Keys:     []pbx.SourceKey{{Area: "line", Slot: 5, Vendor: "yealink", Type: "10", Function: "call_park", Line: "1", Value: "*5901", Label: "Park"}},
	Settings: []pbx.SourceSetting{{Name: "language", Value: "de"}}}}

var fusionProblems = []string{
	`device 00:15:65:00:00:01, line 2: its password is not that of extension 1002@pbx.example.com; the extension's counts`,
	`device 00:15:65:00:00:01, line 2: its auth id "1002x" is not that of extension 1002@pbx.example.com; the extension's counts`,
	`device My App: "softphone" is not a MAC address`,
}

func devicesOfPostgreSQL(t *testing.T, s server) {
	database := func(name, sql string) {
		s.run(t, "postgres", "CREATE DATABASE "+name)
		s.run(t, name, "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader;"+sql)
	}
	t.Run("FusionPBX", func(t *testing.T) {
		database("fusion", fusionDevices)
		got := s.readAll(t, "fusionpbx", "fusion")
		sameDevices(t, got, fusionPhones(t), fusionProfiles, fusionProblems)
		if got := s.read(t, "fusionpbx", "fusion"); got.Devices != nil || got.Profiles != nil {
			t.Errorf("devices that were not to be taken: %+v", got)
		}
	})
	t.Run("FusionPBX of an older version", func(t *testing.T) {
		database("oldfusion", fusionDevices+`
ALTER TABLE v_devices RENAME device_address TO device_mac_address;
ALTER TABLE v_devices DROP COLUMN device_location, DROP COLUMN device_serial_number, DROP COLUMN device_time_zone, DROP COLUMN device_provisioned_agent;
ALTER TABLE v_device_keys ADD COLUMN device_profile_uuid uuid;
ALTER TABLE v_device_settings ADD COLUMN device_profile_uuid uuid;
INSERT INTO v_device_keys (device_key_uuid, device_profile_uuid, device_key_id, device_key_category, device_key_vendor, device_key_type, device_key_line, device_key_value, device_key_label)
  VALUES (gen_random_uuid(),'f0000000-0000-0000-0000-000000000001',5,'line','yealink','10','1','*5901','Park');
INSERT INTO v_device_settings (device_setting_uuid, device_profile_uuid, device_setting_subcategory, device_setting_value, device_setting_enabled)
  VALUES (gen_random_uuid(),'f0000000-0000-0000-0000-000000000001','language','de',true);
ALTER TABLE v_device_lines DROP COLUMN label;
DROP TABLE v_device_profile_keys, v_device_profile_settings, v_device_vendor_functions, v_device_vendors;`)
		devices := fusionPhones(t)
		devices[0].Location, devices[0].Serial, devices[0].Agent = "", "", ""
		devices[0].Lines[0].Label = "" // that of the extension
		devices[0].Settings = devices[0].Settings[1:]
		devices[0].Keys[0].Function, devices[0].Keys[2].Function = "", ""
		profiles := []pbx.SourceProfile{fusionProfiles[0]}
		profiles[0].Keys = []pbx.SourceKey{profiles[0].Keys[0]}
		profiles[0].Keys[0].Function = ""
		const missing = "is not there in this version, or this user may not read it"
		problems := []string{"table v_device_profile_keys: is not there in this version: the keys of profiles are read from v_device_keys", "table v_device_vendors: " + missing,
			"table v_device_vendor_functions: " + missing}
		for _, c := range []string{"device_location", "device_serial_number", "device_time_zone", "device_provisioned_agent"} {
			problems = append(problems, "table v_devices: has no column "+c+" in this version")
		}
		problems = append(problems, "table v_device_lines: has no column label in this version")
		sameDevices(t, s.readAll(t, "fusionpbx", "oldfusion"), devices, profiles, append(problems, fusionProblems...))
	})
	t.Run("FS PBX", func(t *testing.T) {
		database("fs", fusionDevices+fsPBX)
		fsPhones(t, s.readAll(t, "fspbx", "fs"))
	})
	t.Run("a user that may not read the devices", func(t *testing.T) {
		database("hidden", fusionDevices+"REVOKE SELECT ON v_devices FROM reader;")
		_, err := pbx.Source{Type: "fusionpbx", DSN: fmt.Sprintf(s.dsn, "hidden"), PasswordFile: s.password, Take: all}.Read(context.Background())
		if err == nil || !strings.Contains(err.Error(), "there is no table v_devices, or this user may not read it") {
			t.Error(err)
		}
	})
}

// fsPBX is what FS PBX adds, from its migrations of 2025 and 2026.
const fsPBX = `
ALTER TABLE v_devices ADD COLUMN serial_number text, ADD COLUMN device_template_uuid uuid, ADD COLUMN device_key_template_uuid uuid;
ALTER TABLE v_device_lines ADD COLUMN external_line boolean;
CREATE TABLE device_keys (device_key_uuid uuid PRIMARY KEY, device_uuid uuid, key_index smallint, key_type varchar(50), key_value varchar(64), key_label varchar(80), key_area varchar(50) DEFAULT 'main');
CREATE TABLE device_key_templates (device_key_template_uuid uuid PRIMARY KEY, domain_uuid uuid, name varchar(100), enabled varchar(5));
CREATE TABLE device_key_template_keys (device_key_template_key_uuid uuid PRIMARY KEY, device_key_template_uuid uuid, key_area varchar(50), key_index smallint, key_type varchar(50), key_value varchar(64), key_label varchar(80));
CREATE TABLE provisioning_templates (template_uuid uuid PRIMARY KEY, domain_uuid uuid, vendor text, name text, type text);
INSERT INTO provisioning_templates VALUES ('c0000000-0000-0000-0000-000000000001',NULL,'poly','VVX450','default');
UPDATE v_devices SET serial_number = '64167F', device_template = '', device_template_uuid = 'c0000000-0000-0000-0000-000000000001', device_key_template_uuid = 'b0000000-0000-0000-0000-000000000001'
  WHERE device_uuid = 'd0000000-0000-0000-0000-000000000001';
UPDATE v_device_lines SET external_line = true WHERE line_number = '2';
INSERT INTO device_key_templates VALUES ('b0000000-0000-0000-0000-000000000001','11111111-1111-1111-1111-111111111111','Sales','true');
INSERT INTO device_key_template_keys VALUES (gen_random_uuid(),'b0000000-0000-0000-0000-000000000001','main',7,'speed_dial','+4930','Home');
INSERT INTO device_keys VALUES (gen_random_uuid(),'d0000000-0000-0000-0000-000000000001',3,'blf','1001','Boss','main'),(gen_random_uuid(),'d0000000-0000-0000-0000-000000000001',1,'line','2','','main'),
 (gen_random_uuid(),'d0000000-0000-0000-0000-000000000001',2,'park','5901','','multi_purpose'),(gen_random_uuid(),'d0000000-0000-0000-0000-000000000001',4,'check_voicemail','1001','','main'),
 (gen_random_uuid(),'d0000000-0000-0000-0000-000000000001',5,'','','','side'),(gen_random_uuid(),'d0000000-0000-0000-0000-000000000001',0,'blf','1','','main');
`

// fsPhones checks what is read of fusionDevices with fsPBX.
func fsPhones(t *testing.T, got pbx.Snapshot) {
	t.Helper()
	want := fusionPhones(t)
	d := &want[0]
	d.Serial, d.Template, d.Profiles = "64167F", "poly/VVX450", append(d.Profiles, "b0000000-0000-0000-0000-000000000001")
	d.Lines[1].Domain, d.Lines[1].Server = "pbx-b.example.com", "" // of another server
	d.Keys = []pbx.SourceKey{
		d.Keys[0], d.Keys[1],
		{Area: "line", Slot: 1, Type: "line", Neutral: true, Line: "2"},
		{Area: "line", Slot: 3, Type: "blf", Neutral: true, Value: "1001", Label: "Boss"}, // instead of the older key
		{Area: "line", Slot: 4, Type: "blf", Neutral: true, Value: "vm1001"},
		{Area: "memory", Slot: 2, Type: "park", Neutral: true, Value: "park+*5901"},
		{Area: "side", Slot: 5, Type: "none", Neutral: true},
	}
	profiles := append(fusionProfiles[:1:1], pbx.SourceProfile{ID: "b0000000-0000-0000-0000-000000000001", Domain: "pbx.example.com", Name: "Sales",
		Keys: []pbx.SourceKey{{Area: "line", Slot: 7, Type: "speed_dial", Neutral: true, Value: "+4930", Label: "Home"}}})
	sameDevices(t, got, want, profiles, fusionProblems[2:])
}

const endpointManager = `CREATE DATABASE epm; USE epm;
CREATE TABLE devices (id varchar(20), tech varchar(10), dial varchar(255), devicetype varchar(5), user varchar(50), description varchar(50));
CREATE TABLE users (extension varchar(20), password varchar(20), name varchar(50), voicemail varchar(50));
CREATE TABLE sip (id varchar(20), keyword varchar(30), data varchar(255), flags int);
CREATE TABLE endpointman_brand_list (id varchar(11), name varchar(255), directory varchar(255));
CREATE TABLE endpointman_model_list (id varchar(11), brand int, model varchar(25), max_lines smallint, product_id varchar(11));
CREATE TABLE endpointman_mac_list (id int, mac varchar(12), model varchar(11), template_id int, global_custom_cfg_data blob);
CREATE TABLE endpointman_line_list (luid int, ipei varchar(15), mac_id int, line smallint, ext varchar(15), description varchar(20));
CREATE TABLE endpointman_template_list (id int, product_id varchar(11), model_id varchar(10), name varchar(255), global_custom_cfg_data blob);
INSERT INTO devices VALUES ('1001','pjsip','','fixed','1001','Desk phone');
INSERT INTO users VALUES ('1001','','Front Desk','default');
INSERT INTO sip VALUES ('1001','secret','s3cret',0);
INSERT INTO endpointman_brand_list VALUES ('7','Yealink','yealink');
INSERT INTO endpointman_model_list VALUES ('7-2-1',7,'T46G',16,'7-2');
INSERT INTO endpointman_mac_list VALUES (1,'001565000001','7-2-1',3,NULL),(2,'001565000002','7-2-1',0,
 'a:2:{s:4:"data";a:6:{s:19:"loop|linekey_type_2";s:2:"16";s:20:"loop|linekey_value_2";s:4:"1002";s:20:"loop|linekey_label_2";s:3:"Ann";s:18:"loop|memkey_type_1";i:13;s:18:"loop|remotephonebook_url_1";s:1:"x";s:8:"language";s:2:"de";}s:3:"ari";a:0:{}}'),
 (3,'nonsense','7-2-1',0,NULL),(4,'001565000004','9-9-9',0,'a:1:{');
INSERT INTO endpointman_line_list VALUES (1,NULL,1,2,'1002','Second'),(2,NULL,1,1,'1001','Desk'),(3,NULL,2,1,'1001',''),(4,NULL,2,2,'','');
INSERT INTO endpointman_template_list VALUES (3,'7-2','7-2-1','Front Desk','a:1:{s:4:"data";a:1:{s:19:"loop|linekey_type_5";s:2:"10";}}');
`

func devicesOfMariaDB(t *testing.T, s server) {
	s.run(t, "mysql", strings.ReplaceAll(endpointManager, `s:18:"loop|remotephonebook_url_1"`, `s:26:"loop|remotephonebook_url_1"`))
	got := s.readAll(t, "freepbx", "epm")
	sameDevices(t, got, []pbx.SourceDevice{
		{MAC: macOf(t, "001565000001"), Vendor: "Yealink", Model: "T46G", Enabled: true, Profiles: []string{"3"},
			Lines: []pbx.SourceLine{{Position: 1, Number: "1001", Label: "Desk"}, {Position: 2, Number: "1002", Label: "Second"}}},
		{MAC: macOf(t, "001565000002"), Vendor: "Yealink", Model: "T46G", Enabled: true, Lines: []pbx.SourceLine{{Position: 1, Number: "1001"}},
			Keys:     []pbx.SourceKey{{Area: "line", Slot: 2, Type: "16", Value: "1002", Label: "Ann"}, {Area: "memory", Slot: 1, Type: "13"}},
			Settings: []pbx.SourceSetting{{Name: "language", Value: "de"}}},
		{MAC: macOf(t, "001565000004"), Enabled: true},
	}, []pbx.SourceProfile{{ID: "3", Name: "Front Desk", Keys: []pbx.SourceKey{{Area: "line", Slot: 5, Type: "10"}}}}, []string{
		"device 00:15:65:00:00:02, line 2: has no number or no extension", "device 00:15:65:00:00:02: the group remotephonebook 1 is not known as keys: it is left out",
		`device 3: "nonsense" is not a MAC address`, `device 00:15:65:00:00:04: its model "9-9-9" is not in endpointman_model_list`,
		"device 00:15:65:00:00:04: its data can't be read: serialized data has a value of the kind \"\"",
	})
	t.Run("without OSS Endpoint Manager", func(t *testing.T) {
		s.run(t, "epm", "DROP TABLE endpointman_mac_list")
		_, err := pbx.Source{Type: "freepbx", DSN: fmt.Sprintf(s.dsn, "epm"), PasswordFile: s.password, Take: all}.Read(context.Background())
		if err == nil || !strings.Contains(err.Error(), "there is no table endpointman_mac_list, or this user may not read it") {
			t.Error(err)
		}
	})
}
