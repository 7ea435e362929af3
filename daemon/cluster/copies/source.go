package copies

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/uploads"
)

// source reads from one other member. All its answers are checked: it may run another release, or be broken.
type source struct {
	member string
	route  http.RoundTripper
}

var (
	// errGone is the error of a file that the member has no more.
	errGone = errors.New("the member has the file no more")
	// errAnswer is the error of an answer that can't be one.
	errAnswer = errors.New("the answer can't be used")
	// errOfFile is the error of an answer about one file: others can still be read.
	errOfFile = errors.New("the file can't be read there")
)

// get requests a path. It returns the answer with status 200 or 304.
func (s source) get(ctx context.Context, path string, q url.Values, tag string) (*http.Response, error) {
	u := url.URL{Scheme: "https", Host: "member", Path: path, RawQuery: q.Encode()}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	if tag != "" {
		r.Header.Set("If-None-Match", tag)
	}
	res, err := s.route.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if res.StatusCode == http.StatusOK || tag != "" && res.StatusCode == http.StatusNotModified {
		return res, nil
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10)) // without it the status alone is named
	var p struct {
		Detail string `json:"detail"`
	}
	_ = json.Unmarshal(text, &p)
	err = fmt.Errorf("HTTP status %d %s", res.StatusCode, dhcp.Printable(p.Detail, 200))
	switch {
	case path == pathFile && res.StatusCode == http.StatusNotFound:
		return nil, errGone
	case path == pathFile:
		return nil, fmt.Errorf("%w: %w", errOfFile, err)
	}
	return nil, err
}

// list reads an answer in JSON.
func (s source) list(ctx context.Context, path string, q url.Values, out any) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	res, err := s.get(ctx, path, q, "")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return err
	}
	if len(text) > maxAnswer {
		return fmt.Errorf("%w: it is longer than %d bytes", errAnswer, maxAnswer)
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("%w: %w", errAnswer, err)
	}
	return nil
}

// readRecent reads the items since a position.
func readRecent[T any](ctx context.Context, s source, subject, run string, next uint64) (out recent[T], err error) {
	return out, s.list(ctx, Path+subject+recentOf, url.Values{"run": {run}, "next": {strconv.FormatUint(next, 10)}}, &out)
}

// readAll reads the items after a place; "" is the first one.
func readAll[T any](ctx context.Context, s source, subject, after string) (out page[T], err error) {
	q := url.Values{}
	if after != "" {
		q.Set("after", after)
	}
	err = s.list(ctx, Path+subject+allOf, q, &out)
	if err == nil && out.After != "" && out.After <= after {
		err = fmt.Errorf("%w: the list does not go on", errAnswer)
	}
	return out, err
}

// file is an answer with a file.
type file struct {
	uploads.File
	size int64
	body io.ReadCloser // nil: the member has the bytes that tag names
}

// open requests a file. Each read of its body may take answerTime.
func (s source) open(ctx context.Context, f uploads.File, tag string) (out file, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	stalled := time.AfterFunc(answerTime, func() { cancel(fmt.Errorf("no bytes for %s", answerTime)) })
	end := func() { stalled.Stop(); cancel(nil) }
	defer func() {
		if out.body == nil {
			end()
		}
	}()
	res, err := s.get(ctx, pathFile, url.Values{"mac": {f.MAC.String()}, "key": {f.Key}}, tag)
	if err != nil {
		return file{}, err
	}
	at, err := strconv.ParseInt(res.Header.Get(timeHeader), 10, 64)
	if err != nil || res.StatusCode == http.StatusOK && res.ContentLength < 0 {
		_ = res.Body.Close()
		return file{}, fmt.Errorf("%w: %w: it has no time or no length", errOfFile, errAnswer)
	}
	f.Time = time.UnixMicro(at)
	if res.StatusCode == http.StatusNotModified {
		_ = res.Body.Close()
		return file{File: f}, nil
	}
	return file{f, res.ContentLength, &body{res.Body, stalled, end}}, nil
}

// body is a body whose reads may take answerTime each.
type body struct {
	io.ReadCloser
	stalled *time.Timer
	end     func()
}

func (b *body) Read(p []byte) (int, error) {
	b.stalled.Reset(answerTime)
	return b.ReadCloser.Read(p)
}

func (b *body) Close() error { b.end(); return b.ReadCloser.Close() }
