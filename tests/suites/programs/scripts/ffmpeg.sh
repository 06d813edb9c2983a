# Needs: ffmpeg
ffmpeg -v error -f lavfi -i testsrc=size=64x48:rate=10:duration=1 -pix_fmt yuv420p -threads 2 -c:v mpeg4 -bitexact v.mp4; ffprobe -v error -show_entries stream=codec_name,width,height,nb_frames -of csv v.mp4
ffmpeg -v error -i v.mp4 -f framemd5 -bitexact - | tail -3; ffmpeg -v error -f lavfi -i sine=frequency=440:duration=1 -bitexact a.wav; md5sum a.wav; ffmpeg -v error -i v.mp4 -i a.wav -c:v libx264 -threads 2 -bitexact -shortest o.mkv; ffprobe -v error -show_entries stream=codec_name -of csv o.mkv; ffmpeg -v error -i nothing 2>&1 | head -1
