package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestLinesAreReadFromFlags(t *testing.T) {
	const expires = `{"position":1,"extension":"1001","registrar_override":{"host":"pbx-b.example.net","port":5070,"transport":"tcp","outbound_proxy":"p:5060","register_expires":"15m"}}`
	for specs, want := range map[string]string{
		"":                      `[]`,
		"1001":                  `[{"position":1,"extension":"1001"}]`,
		"1001 1002@main":        `[{"position":1,"extension":"1001"},{"position":2,"extension":"1002","registrar":"main"}]`,
		"3=1001 1002":           `[{"position":3,"extension":"1001"},{"position":4,"extension":"1002"}]`,
		"2=1001 1=1002":         `[{"position":2,"extension":"1001"},{"position":1,"extension":"1002"}]`,
		`1001,label=a\,b=c\\@d`: `[{"position":1,"extension":"1001","label":"a,b=c\\@d"}]`,
		"1=1001,label=Desk,shared=true,enabled=false":                                                    `[{"position":1,"extension":"1001","label":"Desk","enabled":false,"shared":true}]`,
		"1001,host=pbx-b.example.net,port=5070,transport=tcp,outbound_proxy=p:5060,register_expires=15m": `[` + expires + `]`,
	} {
		lines, err := parseLines(strings.Split(specs, " "))
		if err != nil {
			t.Errorf("%s: %v", specs, err)
			continue
		}
		if got, _ := json.Marshal(lines); string(got) != want {
			t.Errorf("%s:\n got %s\nwant %s", specs, got, want)
		}
	}
	for specs, want := range map[string]string{
		"1001,lable=x":               `"lable" must be one of label enabled shared host port transport outbound_proxy register_expires; near: label`,
		"1001,Desk":                  `"Desk" must be one of label`,
		"1001,label":                 "label has no value",
		"1001,host=":                 "host has no value",
		"1001,":                      `"" must be one of label`,
		"1001,label=a,label=b":       "label is given twice",
		"1001,shared=yes":            `shared "yes" is neither true nor false`,
		"1001,enabled=0":             `enabled "0" is neither true nor false`,
		"1001,port=0":                `port "0" is not a number from 1 to 65535`,
		"1001,register_expires=soon": `duration "soon" must be written like`,
		"1001,register_expires=0s":   "allowed is 30s to 7d",
		"x=1001":                     `position "x" is not a number from 1 to 255`,
		"256=1001":                   `position "256" is not a number from 1 to 255`,
		"2=1001 1=1002 1003":         `"1003": line 2 is named twice`,
		"1=":                         "names no extension",
		"@main":                      "names no extension",
		",label=x":                   "names no extension",
	} {
		if _, err := parseLines(strings.Split(specs, " ")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", specs, err, want)
		}
	}
}

func TestLinesHaveTheirMembersFromFlags(t *testing.T) {
	s := newShell(t)
	s.office()
	s.ok("device add 001565123457 --model acme/A4 --line '1=1001,label=Desk\\, left,shared=true' --line 1002,enabled=false,host=pbx-b.example.net,transport=tcp")
	for _, want := range []string{"1001@main, label=Desk, left, shared", "1002@main, off, host=pbx-b.example.net, transport=tcp"} {
		if out := s.ok("device show 001565123457"); !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	s.ok("device set 001565123457 --line 2=1002")
	if out := s.ok("device show 001565123457"); strings.Contains(out, "1001") || strings.Contains(out, "off") || !strings.Contains(out, "1002@main") {
		t.Errorf("after device set:\n%s", out)
	}
	if status, _, errs := s.run("device set 001565123457 --line 1002,lable=x"); status != 2 || !strings.Contains(errs, "near: label") {
		t.Errorf("status %d: %s", status, errs)
	}
	if status, _, errs := s.run("device set 001565123457 --line 1002,transport=tpc"); status != 1 || !strings.Contains(errs, "lines[0].registrar_override.transport") {
		t.Errorf("status %d: %s", status, errs)
	}
}
