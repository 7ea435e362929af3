package pbx

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxNesting bounds how deep serialized arrays may nest.
const maxNesting = 16

// unserialize reads a value that PHP's serialize has written: scalars and arrays. Scalars become text, "" for null; arrays a map by their keys.
// The format is that of the PHP manual, function serialize; objects are refused.
func unserialize(text string) (any, error) {
	p := phpReader{text}
	v, err := p.value(0)
	if err == nil && p.rest != "" {
		err = errors.New("serialized data goes on after its end")
	}
	return v, err
}

type phpReader struct{ rest string }

// until returns the text up to an end and goes on behind it.
func (p *phpReader) until(end string) (string, error) {
	before, after, ok := strings.Cut(p.rest, end)
	if !ok {
		return "", errors.New("serialized data ends too early")
	}
	p.rest = after
	return before, nil
}

func (p *phpReader) number(end string) (int, error) {
	text, err := p.until(end)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("serialized data has the length %.20q", text)
	}
	return n, nil
}

func (p *phpReader) value(depth int) (any, error) {
	kind, rest, _ := strings.Cut(p.rest, ":")
	if strings.HasPrefix(p.rest, "N;") {
		p.rest = p.rest[2:]
		return "", nil
	}
	p.rest = rest
	switch kind {
	case "i", "d", "b":
		return p.until(";")
	case "s":
		n, err := p.number(":")
		if err != nil {
			return nil, err
		}
		if len(p.rest) < n+3 || p.rest[0] != '"' || p.rest[n+1:n+3] != `";` {
			return nil, errors.New("serialized data has text of another length than it states")
		}
		text := p.rest[1 : n+1]
		p.rest = p.rest[n+3:]
		return text, nil
	case "a":
		return p.array(depth)
	}
	return nil, fmt.Errorf("serialized data has a value of the kind %.10q", kind)
}

func (p *phpReader) array(depth int) (any, error) {
	if depth == maxNesting {
		return nil, fmt.Errorf("serialized data nests deeper than %d", maxNesting)
	}
	n, err := p.number(":{")
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	for range n {
		key, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		name, ok := key.(string)
		if !ok {
			return nil, errors.New("serialized data has an array as a key")
		}
		if out[name], err = p.value(depth + 1); err != nil {
			return nil, err
		}
	}
	if !strings.HasPrefix(p.rest, "}") {
		return nil, errors.New("serialized data has an array of another length than it states")
	}
	p.rest = p.rest[1:]
	return out, nil
}
