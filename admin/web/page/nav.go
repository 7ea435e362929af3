package page

import "strings"

// NavItem is one entry of the navigation.
type NavItem struct {
	Path, Text, Icon string
	Here             bool // the page is this entry's, or below it
}

// navigation lists the entries in their order. Those without a screen are left out.
func navigation() []NavItem {
	return []NavItem{
		{Path: "/", Text: "Overview", Icon: "gauge"},
		{Path: "/phones", Text: "Phones", Icon: "phone"},
		{Path: "/discovered", Text: "New phones", Icon: "radar"},
		{Path: "/profiles", Text: "Profiles", Icon: "keys"},
		{Path: "/extensions", Text: "Extensions", Icon: "user"},
		{Path: "/import", Text: "Import", Icon: "upload"},
		{Path: "/pbx", Text: "PBX", Icon: "server"},
		{Path: "/network", Text: "Network", Icon: "network"},
		{Path: "/activity", Text: "Activity", Icon: "clock"},
	}
}

// sections are paths that belong to an entry with another path.
var sections = [...][2]string{{"/change", "/phones"}, {"/changes", "/activity"}, {"/jobs", "/activity"}, {"/registrars", "/extensions"}}

func (f *Frame) nav(current string) []NavItem {
	for _, s := range sections {
		if below(current, s[0]) {
			current = s[1]
			break
		}
	}
	var out []NavItem
	for _, n := range navigation() {
		if n.Path == "/" && f.paths["/{$}"] || f.paths[n.Path] {
			n.Here = below(current, n.Path)
			out = append(out, n)
		}
	}
	return out
}

// below reports whether a path is dir or below it.
func below(path, dir string) bool {
	return path == dir || dir != "/" && strings.HasPrefix(path, dir+"/")
}
