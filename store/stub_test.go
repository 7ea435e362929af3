package store

func child(string, string) {}
