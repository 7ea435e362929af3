package page_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"plugtone/admin/web/assets"
	"plugtone/admin/web/page"
	"plugtone/admin/web/session"
	"plugtone/provision/fleet"
)

// A stream is one request for hours: it must not outlive the session that it was let in by.
func TestWatchSendsWhatChangesAndThenTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files, err := assets.New()
		if err != nil {
			t.Fatal(err)
		}
		mux := http.NewServeMux()
		sessions := &session.Sessions{Now: time.Now, Token: func(string) (fleet.Token, error) { return fleet.Token{}, fleet.ErrNotFound }}
		f, err := page.New(page.Config{Mux: mux, Sessions: sessions, Assets: files, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		set, err := f.Screen(fstest.MapFS{"templates/live.html": {Data: []byte(`{{define "entry"}}<p>{{.}}</p>{{end}}`)}})
		if err != nil {
			t.Fatal(err)
		}
		values := []string{"a", "a", "a", "b", "c"}
		f.HandlePublic("GET /live", func(r *page.Request) error {
			return set.Watch(r, "live", "entry", func() (any, string, bool, error) {
				v := values[0]
				values = values[1:]
				return v, v, len(values) > 0, nil
			})
		})
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/live", nil))
		if got, want := w.Body.String(), "data: <p>a</p>\n\ndata: <p>b</p>\n\ndata: <p>c</p>\n\nevent: end\ndata: <p>c</p>\n\n"; got != want {
			t.Errorf("sent %q, want %q", got, want)
		}
	})
}

func TestAStreamEndsWithItsSession(t *testing.T) {
	for name, end := range map[string]func(s *session.Sessions, x *session.Session, now *time.Time, role *string){
		"sign-out": func(s *session.Sessions, x *session.Session, _ *time.Time, _ *string) { s.End(x) },
		"idle": func(_ *session.Sessions, _ *session.Session, now *time.Time, _ *string) {
			*now = now.Add(session.IdleTime)
		},
		"revoked token": func(_ *session.Sessions, _ *session.Session, _ *time.Time, role *string) { *role = "" },
		"another role":  func(_ *session.Sessions, _ *session.Session, _ *time.Time, role *string) { *role = "viewer" },
	} {
		t.Run(name, func(t *testing.T) {
			now, role := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), "operator"
			sessions := &session.Sessions{Now: func() time.Time { return now }, Token: func(string) (fleet.Token, error) {
				if role == "" {
					return fleet.Token{}, fleet.ErrNotFound
				}
				return fleet.Token{Name: "desk", Role: role}, nil
			}}
			cookie, err := sessions.SignIn("secret", "10.0.0.7")
			if err != nil {
				t.Fatal(err)
			}
			files, err := assets.New()
			if err != nil {
				t.Fatal(err)
			}
			mux := http.NewServeMux()
			f, err := page.New(page.Config{Mux: mux, Sessions: sessions, Assets: files, Now: sessions.Now, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			set, err := f.Screen(fstest.MapFS{"templates/live.html": {Data: []byte(`{{define "entry"}}<p>{{.}}</p>{{end}}`)}})
			if err != nil {
				t.Fatal(err)
			}
			f.Handle("GET /live", func(r *page.Request) error {
				return set.Stream(r, "live", func(send func(event, name string, value any) error) error {
					if err := send("", "entry", "before"); err != nil {
						t.Errorf("before the end: %v", err)
					}
					end(sessions, r.Session(), &now, &role)
					err := send("", "entry", "after")
					if err == nil {
						t.Error("the stream goes on")
					}
					return err
				})
			})
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/live", nil)
			r.AddCookie(&http.Cookie{Name: session.CookieName(false), Value: cookie})
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, r)
			if text := w.Body.String(); !strings.Contains(text, "before") || strings.Contains(text, "after") {
				t.Errorf("sent %q", text)
			}
		})
	}
}
