package pbx_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"plugtone/provision/pbx"
	"plugtone/provision/provisiontest"
)

const asteriskConf = `
-- pjsip.conf --
; transports first
[transport-udp]
type=transport
#include extensions/*.conf
;-- a block
[9999]
type=endpoint
auth=x
--; ; its end
[desk](!)
type=endpoint
context=from-internal
callerid="From the template" <0>
[1001](desk)
auth=1001-auth
aors=1001
callerid="Front Desk" <1001>
[1001-auth]
type=auth
auth_type=userpass
username=desk
password=s3\;cret ; a comment
[1001]
type=aor
mailboxes=1001@default
[1003](desk)
auth = 1003
[1003]
type = auth
auth_type = md5
username = 1003
md5_cred = d41d8cd98f00b204e9800998ecf8427e
[1004](desk)
auth=nowhere
[1005-auth]
type=auth
username=1005
[1005-auth](+)
password=later
[1005](desk)
auth=1005-auth
-- extensions/1002.conf --
[1002]
type=endpoint
auth=1002
callerid=Attic <1002>
[1002]
type=auth
password=t0p
username=1002
-- pjsip_wizard.conf --
[phones](!)
type = wizard
accepts_registrations = yes
[2001](phones)
inbound_auth/username = 2001
inbound_auth/password = w1zard
endpoint/callerid = Wizard <2001>
[trunk]
type = wizard
sends_registrations = yes
-- sip.conf --
[general]
context=default
[3001]
type=friend
host=dynamic
secret=0ld
mailbox=3001@default
[provider]
type=peer
host=sip.example.net
secret=x
`

func TestAsteriskFilesAreRead(t *testing.T) {
	dir := provisiontest.Unpack(t, asteriskConf)
	got, err := pbx.Source{Type: "asterisk-files", Files: []string{filepath.Join(dir, "*.conf")}}.Read(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	compare(t, got, pbx.Snapshot{
		Extensions: []pbx.Account{
			{Number: "1002", DisplayName: "Attic", Password: "t0p"},
			{Number: "1001", DisplayName: "Front Desk", AuthUser: "desk", Password: "s3;cret"},
			{Number: "1005", DisplayName: "From the template", Password: "later"},
			{Number: "2001", DisplayName: "Wizard", Password: "w1zard"},
			{Number: "3001", Password: "0ld"},
		},
		Problems: []pbx.SourceProblem{
			{"extension 1003", "its password is stored as MD5 only, so no phone can be given it"},
			{"extension 1004", "there is no section of type auth called nowhere"},
		},
	})
}

func TestAsteriskFilesThatCanNotBeReadNameTheLine(t *testing.T) {
	for archive, want := range map[string]string{
		"-- a.conf --\n[x\n":            `a.conf:1: "[x": a section begins with [`,
		"-- a.conf --\n#include a.conf": "includes nest deeper than 16",
	} {
		dir := provisiontest.Unpack(t, archive)
		if _, err := (pbx.Source{Type: "asterisk-files", Files: []string{filepath.Join(dir, "a.conf")}}).Read(context.Background()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestFreeSWITCHDirectory(t *testing.T) {
	dir := provisiontest.Unpack(t, `
-- default.xml --
<include>
  <domain name="$${domain}">
    <groups><group name="default"><users><X-PRE-PROCESS cmd="include" data="default/*.xml"/></users></group>
    <group name="sales"><users><user id="1001" type="pointer"/></users></group></groups>
  </domain>
</include>
-- default/1001.xml --
<include><user id="1001"><params><param name="password" value="s3cret"/><param name="vm-password" value="1001"/></params>
<variables><variable name="effective_caller_id_name" value="Front Desk"/></variables></user></include>
-- default/1002.xml --
<include><user id="1002"><params><param name="password" value="$${default_password}"/></params></user></include>
-- default/broken.xml --
<include><user id="1003"><params>
-- whole.xml --
<document type="freeswitch/xml"><section name="directory"><domain name="sip.example.com"><user id="2001"><params><param name="password" value="t0p"/></params></user></domain></section></document>
`)
	got, err := pbx.Source{Type: "freeswitch-xml", Files: []string{filepath.Join(dir, "*.xml"), filepath.Join(dir, "default", "*.xml")}}.Read(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for i := range got.Problems {
		got.Problems[i].Record = strings.TrimPrefix(got.Problems[i].Record, dir)
	}
	compare(t, got, pbx.Snapshot{
		Extensions: []pbx.Account{{Number: "1001", DisplayName: "Front Desk", Password: "s3cret"}, {Domain: "sip.example.com", Number: "2001", Password: "t0p"}},
		Problems: []pbx.SourceProblem{{"/default/broken.xml", "XML syntax error on line 2: unexpected EOF"},
			{"extension 1002", "its password is a variable of vars.xml: write it into the user's file"}},
	})
}

func FuzzAsteriskFile(f *testing.F) {
	f.Add("[a](!)\ntype=endpoint\n[b](a,+)\nauth = b ; x\n;-- y --;\n")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "#") {
			return // includes read other files
		}
		path := filepath.Join(t.TempDir(), "pjsip.conf")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := pbx.Source{Type: "asterisk-files", Files: []string{path}}.Read(context.Background())
		for _, e := range s.Extensions {
			if err == nil && (e.Number == "" || e.Problem() == "" && e.Password.Reveal() == "") {
				t.Errorf("%+v", e)
			}
		}
	})
}

// TestPasswordInADSNIsNeitherTakenNorShown: the error of a connection is shown to viewers.
func TestPasswordInADSNIsNeitherTakenNorShown(t *testing.T) {
	for dsn, want := range map[string]string{
		"postgres://a@127.0.0.1:1/x?password=hush":                         "the password belongs into password_file",
		"postgres://a@127.0.0.1:1/x?sslmode=disable&application_name=hush": "connect to postgres://a@127.0.0.1:1/x: ",
	} {
		_, err := pbx.Source{Type: "fusionpbx", DSN: dsn}.Read(context.Background())
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", dsn, err)
		}
	}
}
