package page

// Chart is a small chart of bars, for the template "chart". Its viewBox is 10 units wide for each bar and 100 high.
type Chart struct {
	Bars   []Bar
	Width  int
	Text   string // what it shows, for those who don't see it
	Most   int    // the largest value
	Filled bool   // whether a value is more than 0
}

// Bar is one bar of a chart.
type Bar struct {
	X, Y, Height int
	Title        string
	Value        int
}

// NewChart returns a chart of values, which begin at zero. most is the value of a bar over the whole height; at least the largest value.
// title returns the tooltip of a bar.
func NewChart(values []int, most int, text string, title func(i int) string) Chart {
	c := Chart{Width: 10 * len(values), Text: text}
	for _, v := range values {
		c.Most = max(c.Most, v)
	}
	c.Filled = c.Most > 0
	for i, v := range values {
		height := max(3, v*100/max(1, most, c.Most)) // a line where there is nothing
		c.Bars = append(c.Bars, Bar{X: 10 * i, Y: 100 - height, Height: height, Title: title(i), Value: v})
	}
	return c
}
