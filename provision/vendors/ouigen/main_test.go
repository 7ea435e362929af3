package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Prefixes of all lengths go to the makers of makers.csv, those of others are left out, and the date is that of the
// newest list.
func TestRunWritesThePrefixesOfMakers(t *testing.T) {
	from, dir := t.TempDir(), t.TempDir()
	const head = "Registry,Assignment,Organization Name,Organization Address\n"
	lists := map[string]string{
		"oui.csv":   head + "MA-L,00ABCD,\"Acme Phones, Inc.\",Some Street\nMA-L,00ABCE,Switches and Acme,Other Street\n",
		"mam.csv":   head + "MA-M,00ABCF1,acme phones ,Some Street\n",
		"oui36.csv": head + "MA-S,00ABCF234,Basic Bells GmbH,Road 1\n",
	}
	day := time.Date(2022, 8, 27, 12, 0, 0, 0, time.UTC)
	for name, text := range lists {
		path := filepath.Join(from, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, day, day); err != nil {
			t.Fatal(err)
		}
		day = day.AddDate(0, 0, -1)
	}
	makers := "# a comment\nvendor,organisation\nacme,\"^Acme Phones(, Inc|$)\"\nbells,^Basic Bells\n"
	if err := os.WriteFile(filepath.Join(dir, "makers.csv"), []byte(makers), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(from, dir); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "oui.csv"))
	if err != nil {
		t.Fatal(err)
	}
	first, rest, _ := strings.Cut(string(got), "\n")
	if !strings.Contains(first, " 2022-08-27 ") {
		t.Errorf("the first line is %q, without the date of the newest list", first)
	}
	if want := "00abcd,acme\n00abcf1,acme\n00abcf234,bells\n"; rest != want {
		t.Errorf("the prefixes are\n%s, not\n%s", rest, want)
	}
}

func TestRunTellsWhatIsMissing(t *testing.T) {
	err := run(t.TempDir(), "..")
	if err == nil || !strings.Contains(err.Error(), "ieee-data") {
		t.Errorf("without the lists: %v", err)
	}
}

// Every maker is a pack's, and every prefix of oui.csv is a maker's.
func TestMakersHavePacks(t *testing.T) {
	makers, err := readMakers("../makers.csv")
	if err != nil || len(makers) < 20 {
		t.Fatalf("%d makers, %v", len(makers), err)
	}
	known := make(map[string]bool)
	for _, m := range makers {
		known[m.vendor] = true
		if _, err := os.Stat(filepath.Join("..", m.vendor, "vendor.yaml")); err != nil {
			t.Error(err)
		}
	}
	data, err := os.ReadFile("../oui.csv")
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		prefix, vendor, _ := strings.Cut(line, ",")
		if !strings.HasPrefix(line, "#") && (!known[vendor] || len(prefix) < 6) {
			t.Errorf("oui.csv:%d: %q", i+1, line)
		}
	}
}
