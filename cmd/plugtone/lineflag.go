package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"plugtone/provision/fleet"
	"plugtone/provision/setting"
)

const (
	lineUsage = "extension `EXT` of the next line: [POSITION=]NUMBER[@REGISTRAR][,NAME=VALUE]... (repeatable, in order)"
	lineHelp  = `A line is [POSITION=]NUMBER[@REGISTRAR][,NAME=VALUE]..., for example 1001, 1002@main,label=Sales or 3=1003,enabled=false. Without
POSITION it is the next one. NAME is label, enabled (false keeps the line and clears it on the phone), shared, or what differs from
the registrar on this line: host, port, transport, outbound_proxy, register_expires. A comma within a label is written \,
`
)

// lineParts are the names of what may follow a line's extension.
var lineParts = []string{"label", "enabled", "shared", "host", "port", "transport", "outbound_proxy", "register_expires"}

// parseLines reads lines as --line has them. One without a position follows the line before it, the first is line 1. A single "" means no lines.
func parseLines(specs []string) ([]fleet.Line, error) {
	lines := []fleet.Line{}
	if len(specs) == 1 && specs[0] == "" {
		return lines, nil
	}
	next := 1
	for _, spec := range specs {
		l, err := parseLine(spec, next)
		if err != nil {
			return nil, usagef("--line %.60q: %w", spec, err)
		}
		if slices.ContainsFunc(lines, func(o fleet.Line) bool { return o.Position == l.Position }) {
			return nil, usagef("--line %.60q: line %d is named twice", spec, l.Position)
		}
		lines = append(lines, l)
		next = l.Position + 1
	}
	return lines, nil
}

func parseLine(spec string, next int) (l fleet.Line, err error) {
	parts := splitLine(spec)
	place, ref, found := strings.Cut(parts[0], "=")
	l.Position = next
	if !found {
		ref = place
	} else if l.Position, err = wholeNumber("position", place, 255); err != nil {
		return l, err
	}
	l.Extension, l.Registrar = fleet.ParseExtension(ref)
	if l.Extension == "" {
		return l, fmt.Errorf("it names no extension")
	}
	given := map[string]bool{}
	for _, part := range parts[1:] {
		name, value, ok := strings.Cut(part, "=")
		switch {
		case !slices.Contains(lineParts, name):
			return l, fmt.Errorf("%q must be one of %s%s; a comma within a label is written \\,", name, strings.Join(lineParts, " "), fleet.Nearest(name, lineParts))
		case !ok || value == "":
			return l, fmt.Errorf("%s has no value: write %[1]s=VALUE, or leave it out", name)
		case given[name]:
			return l, fmt.Errorf("%s is given twice", name)
		}
		given[name] = true
		if err := setLinePart(&l, name, value); err != nil {
			return l, err
		}
	}
	return l, nil
}

// setLinePart sets one member of a line.
func setLinePart(l *fleet.Line, name, value string) (err error) {
	switch name {
	case "label":
		l.Label = value
		return nil
	case "shared":
		l.Shared, err = trueOrFalse(name, value)
		return err
	case "enabled":
		on, err := trueOrFalse(name, value)
		l.Enabled = &on
		return err
	}
	if l.Override == nil {
		l.Override = &fleet.RegistrarOverride{}
	}
	o := l.Override
	switch name {
	case "host":
		o.Host = value
	case "port":
		o.Port, err = wholeNumber(name, value, 65535)
	case "transport":
		o.Transport = value
	case "outbound_proxy":
		o.OutboundProxy = value
	case "register_expires":
		o.RegisterExpires, err = setting.ParseDuration(value)
		if err == nil && o.RegisterExpires == 0 {
			return fmt.Errorf("register_expires %.20q: allowed is 30s to 7d", value)
		}
	}
	return err
}

// splitLine splits at commas. A comma or backslash after a backslash is text.
func splitLine(spec string) []string {
	parts := []string{""}
	for i := 0; i < len(spec); i++ {
		last := len(parts) - 1
		switch {
		case spec[i] == '\\' && i+1 < len(spec) && (spec[i+1] == '\\' || spec[i+1] == ','):
			i++
			parts[last] += spec[i : i+1]
		case spec[i] == ',':
			parts = append(parts, "")
		default:
			parts[last] += spec[i : i+1]
		}
	}
	return parts
}

func trueOrFalse(name, value string) (bool, error) {
	if value != "true" && value != "false" {
		return false, fmt.Errorf("%s %.20q is neither true nor false", name, value)
	}
	return value == "true", nil
}

// wholeNumber reads a number from 1 to most.
func wholeNumber(name, value string, most int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("%s %.20q is not a number from 1 to %d", name, value, most)
	}
	return n, nil
}
