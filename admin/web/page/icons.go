package page

import "html/template"

// icon returns a picture of 16 by 16 pixels in the colour of the text. It is hidden from screen readers: a text is beside it, or an aria-label.
func icon(name string) template.HTML {
	d, ok := icons()[name]
	if !ok {
		return ""
	}
	return template.HTML(`<svg class="icon" viewBox="0 0 16 16" width="16" height="16" fill="none" stroke="currentColor" stroke-width="1.5" ` +
		`stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d="` + d + `"/></svg>`)
}

// icons are SVG paths by name.
func icons() map[string]string {
	return map[string]string{
		"gauge":      "M2.5 12.5a6 6 0 1 1 11 0M8 11l2.8-4M8 11h.01",
		"phone":      "M3 3.5h3v9H3zM6 5h6.5a.5.5 0 0 1 .5.5v6a.5.5 0 0 1-.5.5H6M8 7h3M8 9.5h.01M9.5 9.5h.01M11 9.5h.01",
		"radar":      "M8 8l3.5-3.5M8 2.5A5.5 5.5 0 1 0 13.5 8M8 5.5A2.5 2.5 0 1 0 10.5 8M8 8h.01",
		"keys":       "M2.5 3h4.5v4H2.5zM9 3h4.5v4H9zM2.5 9H7v4H2.5zM9 9h4.5v4H9z",
		"upload":     "M8 10V2.5M5 5.5l3-3 3 3M2.5 10.5v2a1 1 0 0 0 1 1h9a1 1 0 0 0 1-1v-2",
		"download":   "M8 2.5V10M5 7l3 3 3-3M2.5 10.5v2a1 1 0 0 0 1 1h9a1 1 0 0 0 1-1v-2",
		"server":     "M2.5 2.5h11v4.5h-11zM2.5 9h11v4.5h-11zM5 4.75h.01M5 11.25h.01",
		"network":    "M6 2h4v3.5H6zM1.5 10.5h4V14h-4zM10.5 10.5h4V14h-4zM8 5.5V8M3.5 10.5V8h9v2.5",
		"clock":      "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zM8 4.75V8l2.25 1.5",
		"search":     "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM10.25 10.25L13.5 13.5",
		"plus":       "M8 3v10M3 8h10",
		"close":      "M4 4l8 8M12 4l-8 8",
		"check":      "M3 8.5l3.5 3.5L13 4.5",
		"copy":       "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
		"edit":       "M10.5 3l2.5 2.5L6 12.5l-3 .5.5-3z",
		"trash":      "M3 4.5h10M6 4.5V3h4v1.5M4.5 4.5l.5 9h6l.5-9",
		"sync":       "M13 6.5A5.25 5.25 0 0 0 3.5 5M3 9.5A5.25 5.25 0 0 0 12.5 11M3 2.5V5h2.5M13 13.5V11h-2.5",
		"columns":    "M2.5 3h11v10h-11zM6.2 3v10M9.8 3v10",
		"up":         "M8 12.5v-9M4.5 7L8 3.5 11.5 7",
		"down":       "M8 3.5v9M4.5 9L8 12.5 11.5 9",
		"down-small": "M5 6.500l3 3 3-3",
		"left":       "M9.5 3.5L5 8l4.5 4.5",
		"right":      "M6.5 3.5L11 8l-4.5 4.5",
		"warn":       "M8 2.5l6 10.5H2zM8 6.5v3M8 11.25h.01",
		"info":       "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zM8 7.5v3.25M8 5.25h.01",
		"lock":       "M4 7.5h8v6H4zM5.5 7.5V5a2.5 2.5 0 0 1 5 0v2.5",
		"user":       "M8 8a2.75 2.75 0 1 0 0-5.5A2.75 2.75 0 0 0 8 8zM3 13.5c.5-2.5 2.5-3.5 5-3.5s4.500 1 5 3.500",
		"exit":       "M6 2.500H3v11h3M10 5l3 3-3 3M13 8H6",
		"sun":        "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM8 1.500v1M8 13.500v1M1.500 8h1M13.500 8h1M3.400 3.400l.7.7M11.900 11.900l.7.7M3.400 12.600l.7-.7M11.900 4.100l.7-.7",
		"book":       "M3 3h4a1.500 1.500 0 0 1 1 .5A1.500 1.500 0 0 1 9 3h4v9.500H9a1.500 1.500 0 0 0-1 .5 1.500 1.500 0 0 0-1-.5H3zM8 3.500V13",
		"undo":       "M3 6h6.500a3.500 3.500 0 0 1 0 7H6M5.500 3.500L3 6l2.500 2.500",
		"more":       "M3.500 8h.01M8 8h.01M12.500 8h.01",
		"filter":     "M2.500 3.500h11L9.500 8.500v4l-3 1v-5z",
		"key":        "M5 8.500a2.750 2.750 0 1 0 0 .01M7.750 8.500H14M12 8.500v2.500",
		"drag":       "M6 4h.01M6 8h.01M6 12h.01M10 4h.01M10 8h.01M10 12h.01",
		"stop":       "M4 4h8v8H4z",
		"play":       "M5 3.500l7 4.500-7 4.500z",
	}
}
