package deviceindex

import "plugtone/provision/overrides"

// overrideParts is how many texts a row has for each override: parameter, value, file.
const overrideParts = 3

func packOverrides(all []overrides.Override) []string {
	out := make([]string, 0, overrideParts*len(all))
	for _, o := range all {
		out = append(out, o.Parameter, o.Value, o.File)
	}
	return out
}

func unpackOverrides(parts []string) (out []overrides.Override) {
	for ; len(parts) >= overrideParts; parts = parts[overrideParts:] {
		out = append(out, overrides.Override{Parameter: parts[0], Value: parts[1], File: parts[2]})
	}
	return out
}

// parametersOf returns the names of the parameters.
func parametersOf(parts []string) (names []string) {
	for i := 0; i < len(parts); i += overrideParts {
		names = append(names, parts[i])
	}
	return names
}
