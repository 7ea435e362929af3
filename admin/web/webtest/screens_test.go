package webtest_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"plugtone/admin/client"
	"plugtone/admin/web/webtest"
)

func TestMain(m *testing.M) { webtest.Main(m) }

// picture is a screen that the documents show.
type picture struct{ name, path, ready string }

func pictures(phone string) []picture {
	return []picture{
		{"overview", "/", "#live"}, {"phones", "/phones", "#phones tbody tr"}, {"phone", "/phones/" + phone, "#entries li"},
		{"keys", "/phones/" + phone + "/keys", ".key"}, {"network", "/network", "#leases tbody tr"},
	}
}

// TestScreenshots takes the pictures of the documents, light and dark. With $PLUGTONE_SCREENSHOTS and $PLUGTONE_DEMO, the path of the program,
// they are of "plugtone demo" and go to that folder: make screenshots. Otherwise they are of the tests' office, and are thrown away.
func TestScreenshots(t *testing.T) {
	var b *webtest.Tab
	phone := "00:15:65:12:34:56"
	program := os.Getenv("PLUGTONE_DEMO")
	if program == "" {
		t.Setenv("PLUGTONE_SCREENSHOTS", t.TempDir())
		b, phone = webtest.New(t).As(t, "admin"), webtest.Phone(0).String()
	} else {
		site, path := demo(t, program)
		b = site.Tab(t)
		b.Open(path)
		b.Wait(".nav")
	}
	for _, p := range pictures(phone) {
		for _, scheme := range []string{"light", "dark"} {
			b.Scheme(scheme)
			b.Open(p.path)
			b.Wait(p.ready)
			name := p.name
			if scheme == "dark" {
				if p.name != "phones" { // one is enough for the documents
					continue
				}
				name += "-dark"
			}
			b.Picture(name)
			png, err := os.ReadFile(filepath.Join(os.Getenv("PLUGTONE_SCREENSHOTS"), name+".png"))
			if err != nil || !bytes.HasPrefix(png, []byte("\x89PNG")) {
				t.Errorf("%s: %d bytes, %v", name, len(png), err)
			}
		}
	}
}

var (
	pageLine  = regexp.MustCompile(`(http://[^/ ]+)(/login/\S+)`)
	adminLine = regexp.MustCompile(`PLUGTONE_ADMIN=(\S+)`)
)

// demo runs plugtone demo until the test ends, and adds records of phones that are not plugged in. path signs in once.
func demo(t *testing.T, program string) (site *webtest.Site, path string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, "demo")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // it was ended by a signal
	site = &webtest.Site{}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if m := pageLine.FindStringSubmatch(lines.Text()); m != nil {
			site.URL, path = m[1], m[2]
		}
		if m := adminLine.FindStringSubmatch(lines.Text()); m != nil {
			if site.API, err = client.New(m[1], ""); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	if path == "" || site.API == nil {
		t.Fatal("the demo did not print the addresses of its page and its socket")
	}
	if _, err := site.API.Apply(t.Context(), strings.NewReader(furtherPhones()), client.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	return site, path
}

// furtherPhones is a document of a profile, extensions, and phones that were ordered and are not plugged in yet.
func furtherPhones() string {
	people := []string{"Amelia Wright", "Noah Becker", "Sofia Rossi", "Liam O'Connor", "Mia Hoffmann", "Ethan Clark", "Lena Vogel", "Jonas Weber", "Chloé Dubois", "Oliver Schmidt", "Emma Fischer", "Lucas Meyer"}
	models := []string{"yealink/T46U", "yealink/T54W", "snom/D785", "grandstream/GRP2614"}
	prefixes := []string{"001565", "805ec0", "000413", "c074ad"}
	extensions, devices := []string{}, []string{}
	for i, name := range people {
		extensions = append(extensions, fmt.Sprintf(`{"number":"%d","registrar":"main","display_name":%q,"password":"secret-%d"}`, 1010+i, name, i))
		devices = append(devices, fmt.Sprintf(`{"mac":"%s10%04x","model":%q,"label":%q,"profile":"desk","location":"Floor %d","lines":[{"extension":"%d","registrar":"main"}]}`, prefixes[i%4], i, models[i%4], name, 1+i/4, 1010+i))
	}
	for _, mac := range []string{"001565123456", "64167f000002", "c074ad000003", "000413000004"} {
		devices = append(devices, fmt.Sprintf(`{"mac":%q,"location":"Ground floor","tags":["pilot"]}`, mac))
	}
	return `{"profiles":[{"name":"desk","keys":[{"area":"line","slot":3,"type":"blf","value":"1001","label_source":"extension"},{"area":"line","slot":4,"type":"speed_dial","value":"112","label":"Emergency"}]}],"extensions":[` +
		strings.Join(extensions, ",") + `],"devices":[` + strings.Join(devices, ",") + `]}`
}
