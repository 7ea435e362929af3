package pbx

import (
	"reflect"
	"strings"
	"testing"
)

func TestUnserializeReadsArraysAndRefusesTheRest(t *testing.T) {
	got, err := unserialize(`a:4:{s:1:"a";i:-5;i:7;a:1:{i:0;b:1;}s:4:"n;"}";N;s:1:"d";d:0.5;}`)
	want := map[string]any{"a": "-5", "7": map[string]any{"0": "1"}, `n;"}`: "", "d": "0.5"}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v %v", got, err)
	}
	for text, want := range map[string]string{
		``: "kind", `s:3:"ab";`: "another length", `s:-1:"";`: "has the length", `a:2:{i:0;i:1;}`: "kind", `a:1:{a:0:{}i:1;}`: "an array as a key", `i:1;i:2;`: "goes on after its end",
		`O:8:"stdClass":0:{}`: `kind "O"`, strings.Repeat("a:1:{i:0;", 20): "deeper than 16", `i:1`: "ends too early", `a:0:{`: "array of another length",
	} {
		if got, err := unserialize(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v %v, want %s", text, got, err, want)
		}
	}
}

func FuzzUnserialize(f *testing.F) {
	f.Add(`a:2:{s:4:"data";a:1:{s:1:"x";s:1:"y";}i:0;N;}`)
	f.Fuzz(func(t *testing.T, text string) {
		if v, err := unserialize(text); err == nil && v == nil {
			t.Error("no value and no error")
		}
	})
}
