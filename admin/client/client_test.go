package client

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// silent is a daemon that answers nothing.
type silent struct{}

func (silent) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// TestAChangeMayTakeLongerThanARead: the dry run of a change that concerns very many phones is no daemon that does not answer.
func TestAChangeMayTakeLongerThanARead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Over(silent{})
		for name, x := range map[string]struct {
			call func() error
			want time.Duration
		}{
			"read":   {func() error { _, _, err := c.Profiles().Get(t.Context(), "desk", false); return err }, time.Minute},
			"change": {func() error { _, err := c.Profiles().Put(t.Context(), "desk", map[string]any{}, ""); return err }, 10 * time.Minute},
		} {
			began := time.Now()
			err := x.call()
			var u *Unreachable
			if took := time.Since(began); !errors.As(err, &u) || !errors.Is(err, errNoAnswer) || took != x.want {
				t.Errorf("%s: %v after %v, want %v", name, err, took, x.want)
			}
		}
	})
}

// TestAnUnknownAuthorityIsNamedAsSuch: a daemon that answers is not reported as one that does not.
func TestAnUnknownAuthorityIsNamedAsSuch(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	c, err := New(server.URL, "x")
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Status(t.Context())
	var e *Unreachable
	if !errors.As(err, &e) || !e.Untrusted() || !strings.Contains(err.Error(), "the certificate of "+server.URL+" can't be verified") {
		t.Errorf("%v", err)
	}
}

// TestWhatIsInTheWayIsNamedOnce: the text of a conflict has the first records, its list all of them.
func TestWhatIsInTheWayIsNamedOnce(t *testing.T) {
	p := &Problem{Status: http.StatusConflict, Detail: "profile desk is in use by device 1, device 2 and 2 more",
		Errors: []Detail{{Message: "device 1"}, {Message: "device 2"}, {Message: "device 11"}, {Message: "device 3"}}}
	if got := p.Error(); got != p.Detail+"\n  device 11\n  device 3" {
		t.Errorf("%s", got)
	}
}
