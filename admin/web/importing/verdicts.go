package importing

import (
	"plugtone/provision/fleet"
	"plugtone/provision/impact"
)

// verdict is what would become of one record of the file.
type verdict struct {
	impact.RowVerdict
	Label string // of a phone, as far as the dry run has it
	Word  string
	Tone  string
}

// tally is how many rows have a verdict. The first one is of all.
type tally struct {
	Verdict, Name, Tone string
	Count               int
}

// tallies are the verdicts in their order, with what they are called.
func tallies() []tally {
	return []tally{{Verdict: "all", Name: "All"}, {Verdict: "conflict", Name: "Conflict", Tone: "bad"}, {Verdict: "new", Name: "New", Tone: "new"}, {Verdict: "changed", Name: "Changed", Tone: "warn"},
		{Verdict: "deleted", Name: "Removed", Tone: "bad"}, {Verdict: "same", Name: "Same", Tone: "off"}}
}

// verdicts takes the rows of a dry run.
func (v *review) verdicts(p impact.Preview) {
	labels := map[string]string{}
	for _, x := range p.Items {
		labels[x.MAC.String()] = x.Label
	}
	kinds := tallies()
	counts := map[string]int{"new": p.Created, "changed": p.Changed, "deleted": p.Deleted, "same": p.Same, "conflict": p.Conflicts}
	for _, x := range p.Rows {
		one := verdict{RowVerdict: x, Word: x.Verdict, Tone: "off"}
		if x.Kind == fleet.KindDevice {
			one.Label = labels[x.Name]
		}
		for _, k := range kinds {
			if k.Verdict == x.Verdict {
				one.Word, one.Tone = k.Name, k.Tone
			}
		}
		v.Verdicts = append(v.Verdicts, one)
	}
	v.MoreRows = p.MoreRows
	for _, k := range kinds {
		k.Count = counts[k.Verdict]
		if k.Verdict == "all" {
			for _, n := range counts {
				k.Count += n
			}
		}
		if k.Count > 0 {
			v.Tally = append(v.Tally, k)
		}
	}
}
