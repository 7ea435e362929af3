package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// progress shows how far long work is: one line that is overwritten on a terminal, and nothing on other outputs.
type progress struct {
	screen
	wide int // of the line that is shown
}

func newProgress(w io.Writer) *progress { return &progress{screen: newScreen(w, os.Getenv)} }

func (p *progress) show(format string, args ...any) {
	if !p.color {
		return
	}
	line := fmt.Sprintf(format, args...)
	if n := utf8.RuneCountInString(line); n > p.width-1 {
		line = string([]rune(line)[:p.width-1])
	}
	pad := max(0, p.wide-utf8.RuneCountInString(line))
	p.wide = utf8.RuneCountInString(line)
	fmt.Fprint(p, "\r"+line+strings.Repeat(" ", pad))
}

// end clears the line.
func (p *progress) end() {
	if p.wide > 0 {
		fmt.Fprint(p, "\r"+strings.Repeat(" ", p.wide)+"\r")
		p.wide = 0
	}
}
