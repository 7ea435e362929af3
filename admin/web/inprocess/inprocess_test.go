package inprocess_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"plugtone/admin/access"
	"plugtone/admin/web/inprocess"
)

func get(t *testing.T, ctx context.Context, h http.HandlerFunc) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://plugtone/api/v1/x?q=1", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	return (&http.Client{Transport: inprocess.Transport{Handler: h}}).Do(r)
}

func TestAHandlerIsCalledWithTheCallerOfTheContext(t *testing.T) {
	ctx := access.With(t.Context(), access.Caller{Name: "token:desk"})
	res, err := get(t, ctx, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("ETag", `"7"`)
		w.WriteHeader(http.StatusTeapot)
		w.Header().Set("Late", "x")
		io.WriteString(w, access.Of(r.Context()).Name+" "+r.URL.RequestURI()+" "+string(b))
	})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || string(b) != "token:desk /api/v1/x?q=1 body" {
		t.Errorf("%q, %v", b, err)
	}
	if res.StatusCode != http.StatusTeapot || res.Header.Get("ETag") != `"7"` || res.Header.Get("Late") != "" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
}

func TestAStreamIsReadWhileItIsWritten(t *testing.T) {
	ended := make(chan struct{})
	res, err := get(t, t.Context(), func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		for {
			if _, err := io.WriteString(w, "event\n"); err != nil {
				return
			}
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			if r.Context().Err() != nil {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(res.Body)
	for range 3 {
		if !lines.Scan() || lines.Text() != "event" {
			t.Fatalf("%q, %v", lines.Text(), lines.Err())
		}
	}
	res.Body.Close()
	<-ended // closing the body ends the handler
}

func TestAnAnswerThatIsAbortedIsAnErrorOfTheReader(t *testing.T) {
	res, err := get(t, t.Context(), func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "half")
		panic(http.ErrAbortHandler)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, err := io.ReadAll(res.Body); err == nil || string(b) != "half" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestTheEndOfTheContextEndsTheCall(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, err := get(t, ctx, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if err == nil {
		t.Error("no error")
	}
}
