// Command ouigen writes oui.csv, the MAC prefixes of those who make phones, from the IEEE's lists as Debian packages them
// (ieee-data). It is run by go generate in the folder above.
package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// makers are the organisations that make little else than phones. Cisco, Panasonic and Alcatel-Lucent's carrier branches
// are left out: most of what bears their prefixes is no phone, and a prefix alone must not make one of it.
var makers = []struct{ vendor, organisation string }{
	{"alcatel", `^ALE International$|^Alcatel-Lucent Enterprise( \(China\))?$|^Alcatel-Lucent IPD$`},
	{"algo", `^Algo Communication Products`},
	{"atcom", `^ATCOM Technology`},
	{"audiocodes", `^Audiocodes`},
	{"avaya", `^Avaya( Inc\.?| ECS Ltd)?$`},
	{"digium", `^Digium`},
	{"dinstar", `^Dinstar|^Shenzhen Dinstar`},
	{"escene", `^Guangzhou Escene`},
	{"fanvil", `^Fanvil`},
	{"flyingvoice", `Flyingvoice|^Flying Voice`},
	{"gigaset", `^Gigaset`},
	{"grandstream", `^Grandstream`},
	{"htek", `^Hanlong Technology|^Nanjing Hanlong`},
	{"mitel", `^Mitel |^MITEL CORPORATION$|^Aastra`},
	{"obihai", `^Obihai`},
	{"polycom", `^Polycom`},
	{"sangoma", `^Sangoma`},
	{"snom", `^snom `},
	{"vtech", `^VTech (Telecommunications|Communications)|^Vtech Innovation LP`},
	{"yealink", `YEALINK`},
	{"yeastar", `Yeastar`},
}

func main() {
	if err := run("/usr/share/ieee-data", "oui.csv"); err != nil {
		fmt.Fprintln(os.Stderr, "ouigen:", err)
		os.Exit(1)
	}
}

func run(from, to string) error {
	date := ""
	found := make(map[string]string)
	for _, name := range []string{"oui.csv", "mam.csv", "oui36.csv"} {
		path := filepath.Join(from, name)
		st, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("%w (Debian package ieee-data)", err)
		}
		date = max(date, st.ModTime().UTC().Format("2006-01-02"))
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := collect(data, found); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "# MAC prefixes of makers of phones, by the IEEE's lists of %s (Debian's ieee-data); written by go generate\n", date)
	var lines []string
	for prefix, vendor := range found {
		lines = append(lines, prefix+","+vendor+"\n")
	}
	slices.Sort(lines)
	out.WriteString(strings.Join(lines, ""))
	return os.WriteFile(to, out.Bytes(), 0o644)
}

// collect reads one of the lists: registry, assignment, organisation, address.
func collect(data []byte, found map[string]string) error {
	rows, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil {
		return err
	}
	for _, m := range makers {
		re, err := regexp.Compile("(?i)" + m.organisation)
		if err != nil {
			return err
		}
		for _, r := range rows[1:] {
			if re.MatchString(strings.TrimSpace(r[2])) {
				found[strings.ToLower(r[1])] = m.vendor
			}
		}
	}
	return nil
}
