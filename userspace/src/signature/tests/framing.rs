//! In streams: where the headers end, and which bytes are the Content-Length.
